import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pagesOfFrames, readWalIndexHeader, walIndexAtRest } from '../../../src/engine/pages/wal-index.ts'
import { makeDatabase, type DatabaseOptions } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

/** A copy of the index of a write-ahead log, to be damaged, and what the log itself says of the page that each of its frames holds. */
function copyIndex (t: Test, options: DatabaseOptions = {}): { index: number, inLog: number[] } {
  const path = join(testFolder(t), 'app.db')
  const database = makeDatabase(path, options)
  copyFileSync(`${path}-shm`, `${path}-copy`)
  const log = readFileSync(`${path}-wal`)
  database.close()
  const index = openSync(`${path}-copy`, 'r+')
  t.teardown(() => { closeSync(index) })
  const frameBytes = 24 + log.readUInt32BE(8)
  return { index, inLog: Array.from({ length: (log.length - 32) / frameBytes }, (_, frame) => log.readUInt32BE(32 + frame * frameBytes)) }
}

for (const pageSize of [512, 4096, 65536]) {
  t.test(`the index says which page each frame holds, and how large they are: ${pageSize} bytes`, async t => {
    const { index, inLog } = copyIndex(t, { pageSize, rows: 1000 })
    const header = walIndexAtRest(index)
    t.match(header, { pageSize, checkpointed: 0 })
    t.equal(header.frames, inLog.length)
    t.same([...pagesOfFrames(index, header.frames)], inLog)
    t.equal(header.pageCount, Math.max(...inLog))
  })
}

t.test('an index of several regions is read whole', async t => {
  const { index, inLog } = copyIndex(t, { pageSize: 512, rows: 20_000 })
  const { frames } = walIndexAtRest(index)
  t.ok(frames > 9000, String(frames))
  t.same([...pagesOfFrames(index, frames)], inLog)
})

t.test('a header that is being written, damaged, or of another version is none', async t => {
  const { index } = copyIndex(t)
  t.ok(readWalIndexHeader(index))
  writeSync(index, Buffer.from([7]), 0, 1, 16)
  t.equal(readWalIndexHeader(index), null, 'the two copies differ')
  writeSync(index, Buffer.from([7]), 0, 1, 48 + 16)
  t.equal(readWalIndexHeader(index), null, 'the checksum does not match')
  t.throws(() => walIndexAtRest(index), { message: /damaged/ })
  for (const at of [0, 48]) writeSync(index, Buffer.alloc(4), 0, 4, at)
  t.equal(readWalIndexHeader(index), null, 'no version that is known')
})

t.test('an index that is cut is an error', async t => {
  const { index } = copyIndex(t, { rows: 1000 })
  const { frames } = walIndexAtRest(index)
  ftruncateSync(index, 140)
  t.throws(() => pagesOfFrames(index, frames), { message: /too short/ })
})
