import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { unlessInstalled } from '../helpers/requirements.ts'
import { compressFrame } from '../../src/format/frame.ts'
import { INDEX_MAGIC, MAP_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from '../../src/format/skippable-frame.ts'

t.test('a skippable frame is its magic number, the length and the payload', async t => {
  const frame = skippableFrame(MAP_MAGIC, Buffer.from('payload'))
  t.equal(frame.length, SKIPPABLE_HEADER_BYTES + 7)
  t.same(frame.subarray(0, 4), Buffer.from([0x5D, 0x2A, 0x4D, 0x18]))
  t.equal(frame.readUInt32LE(4), 7)
  t.equal(frame.toString('utf8', SKIPPABLE_HEADER_BYTES), 'payload')
})

t.test('the magic numbers are two of those that every decoder must skip', async t => {
  t.not(MAP_MAGIC, INDEX_MAGIC)
  for (const magic of [MAP_MAGIC, INDEX_MAGIC]) t.ok(magic >= 0x184D2A50 && magic <= 0x184D2A5F)
})

const image = [randomBytes(3000), Buffer.alloc(5000, 'text')]
const frames = await Promise.all(image.map(async part => await compressFrame(part, 1)))
const skippable = [skippableFrame(MAP_MAGIC, randomBytes(100)), skippableFrame(INDEX_MAGIC, Buffer.alloc(0))]

const noZstd = unlessInstalled('zstd')
t.test('`zstd -d` gives the data of all frames in front of skippable ones', { skip: noZstd }, async t => {
  const { status, stdout } = spawnSync('zstd', ['-d', '-c'], { input: Buffer.concat([...frames, ...skippable]) })
  t.equal(status, 0)
  t.ok(stdout.equals(Buffer.concat(image)))
})
