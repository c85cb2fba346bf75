import { openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { PageFile } from '../../../src/engine/salvage/page-file.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('a page is free until it is used, if it is whole and can hold something', async t => {
  const path = join(testFolder(t), 'file')
  writeFileSync(path, Buffer.alloc(512 * 9 + 100, 1))
  const file = new PageFile(openSync(path, 'r'), 512, 12, [{ offset: 512 * 2 + 10, length: 600 }, { offset: 512 * 6, length: 512 }])
  t.equal(file.pageCount, 10)
  file.claim(2)
  t.same([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].filter(page => file.isFree(page)), [1, 5, 6, 8, 9, 10])
  t.same([1, 10].map(page => file.usableOf(page)), [500, 100])
  t.same(file.read(10), Buffer.concat([Buffer.alloc(100, 1), Buffer.alloc(412)]))
})
