import { ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pageReader } from '../../../src/engine/pages/page-reader.ts'
import { testFolder } from '../../helpers/folder.ts'

const GIBIBYTE = 2 ** 30

t.test('the page that SQLite locks is read as zeros, whatever stands there, and its neighbours as they are', async t => {
  const file = openSync(join(testFolder(t), 'sparse.db'), 'w+')
  ftruncateSync(file, GIBIBYTE + 3 * 4096)
  writeSync(file, Buffer.alloc(3 * 4096, 7), 0, 3 * 4096, GIBIBYTE - 4096)
  const read = pageReader({ file, pageSize: 4096, log: null })
  const block = Buffer.alloc(4 * 4096, 1)
  read(block, GIBIBYTE - 4096)
  t.same([...new Set(block.subarray(0, 4096))], [7])
  t.same([...new Set(block.subarray(4096, 2 * 4096))], [0])
  t.same([...new Set(block.subarray(2 * 4096, 3 * 4096))], [7])
  t.same([...new Set(block.subarray(3 * 4096))], [0])
})

t.test('what a file is too short for is read as zeros', async t => {
  const file = openSync(join(testFolder(t, { 'short.db': 'short' }), 'short.db'), 'r')
  const block = Buffer.alloc(8, 1)
  pageReader({ file, pageSize: 4, log: null })(block, 0)
  t.same(block.toString('latin1'), 'short\0\0\0')
})
