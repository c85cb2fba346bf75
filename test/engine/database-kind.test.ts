import t from 'tap'
import { isOfKind } from '../../src/engine/database-kind.ts'

const kind = { pageSize: 4096, encoding: 'UTF-8', isWal: false, isEmpty: false }
const firstPage = { pageSize: 4096, isWal: false, schemaCookie: 1, encoding: 'UTF-8', userVersion: 0 }

t.test('a first page is of the kind that was looked at before, unless page size or journal mode have changed', async t => {
  t.equal(isOfKind(firstPage, kind), true)
  t.equal(isOfKind({ ...firstPage, pageSize: 8192 }, kind), false)
  t.equal(isOfKind({ ...firstPage, isWal: true }, kind), false)
  t.equal(isOfKind({ ...firstPage, pageSize: 0 }, { ...kind, isEmpty: true }), true, 'an empty database has no first page yet')
})
