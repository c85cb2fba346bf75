import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import zlib from 'node:zlib'
import t from 'tap'
import { PackWriter } from '../../../src/engine/create/pack-writer.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('a pack of many frames has them in order, through buffers that are used again', async t => {
  const file = join(testFolder(t), 'data.zst')
  const pack = await PackWriter.create(file, 1)
  const contents: Buffer[] = []
  for (let number = 0; number < 40; number++) { // more than are left to the end before the disk is set to work
    const buffer = pack.takeBuffer()
    randomBytes(1000).copy(buffer)
    randomBytes(1024 * 1024).copy(buffer)
    contents.push(Buffer.from(buffer))
    await pack.addFrame(buffer, buffer.length)
  }
  const { packBytes } = await pack.end('01234567-89ab-4cde-8f01-23456789abcd', Buffer.from('a map'))
  await pack.close()
  t.equal(statSync(file).size, packBytes)
  const stored = readFileSync(file)
  t.equal(pack.frames.length, 40)
  t.ok(pack.frames.every(({ offset, storedLength, number }) => zlib.zstdDecompressSync(stored.subarray(offset, offset + storedLength)).equals(contents[number] as Buffer)))
})

t.test('a pack that is given up in the middle leaves no work behind', async t => {
  const pack = await PackWriter.create(join(testFolder(t), 'data.zst'), 1)
  await pack.addFrame(pack.takeBuffer(), 1000)
  await pack.close()
  await t.rejects(PackWriter.create(join(t.testdirName, 'data.zst'), 1), { code: 'EEXIST' })
})
