import { closeSync, copyFileSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pagesOfFrames, readWalIndexHeader, walIndexAtRest } from '../../../src/engine/pages/wal-index.ts'
import { makeDatabase, type DatabaseOptions } from '../../helpers/databases.ts'

/** A copy of the index of a write-ahead log, to be damaged. */
function copyIndex (t: Test, options: DatabaseOptions = {}): number {
  const path = join(t.testdir(), 'app.db')
  const database = makeDatabase(path, options)
  copyFileSync(`${path}-shm`, `${path}-copy`)
  database.close()
  const index = openSync(`${path}-copy`, 'r+')
  t.teardown(() => { closeSync(index) })
  return index
}

for (const pageSize of [512, 4096, 65536]) {
  t.test(`the index says which page each frame holds, and how large they are: ${pageSize} bytes`, async t => {
    const index = copyIndex(t, { pageSize, rows: 1000 })
    const header = walIndexAtRest(index)
    t.match(header, { pageSize, checkpointed: 0 })
    const pages = pagesOfFrames(index, header.frames)
    t.equal(pages.length, header.frames)
    t.equal(Math.max(...pages), header.pageCount)
    t.equal(Math.min(...pages), 1)
  })
}

t.test('an index of several regions is read whole', async t => {
  const index = copyIndex(t, { pageSize: 512, rows: 20_000 })
  const { frames, pageCount } = walIndexAtRest(index)
  t.ok(frames > 9000, String(frames))
  const pages = pagesOfFrames(index, frames)
  t.ok(pages.every(page => page >= 1 && page <= pageCount))
})

t.test('a header that is being written, damaged, or of another version is none', async t => {
  const index = copyIndex(t)
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
  const index = copyIndex(t, { rows: 1000 })
  const { frames } = walIndexAtRest(index)
  ftruncateSync(index, 140)
  t.throws(() => pagesOfFrames(index, frames), { message: /too short/ })
})
