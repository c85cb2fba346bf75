import t from 'tap'
import { DatabaseLockedError } from '../../src/errors.ts'
import { NotDirectlyReadable } from '../../src/engine/pages/wal-index.ts'
import { explainSqliteError } from '../../src/engine/target-database.ts'

const target = { path: '/data/app.db', lockTimeoutMs: 5000 }
const codes = {
  SQLITE_BUSY_SNAPSHOT: 'FST_SNAPSHOT_DATABASE_LOCKED',
  SQLITE_FULL: 'FST_SNAPSHOT_NO_ROOM',
  ENOSPC: 'FST_SNAPSHOT_NO_ROOM',
  SQLITE_NOTADB: 'FST_SNAPSHOT_NOT_A_DATABASE',
  SQLITE_IOERR_SHORT_READ: 'FST_SNAPSHOT_DATABASE_DAMAGED',
  SQLITE_CORRUPT_INDEX: 'FST_SNAPSHOT_DATABASE_DAMAGED',
  SQLITE_READONLY_DIRECTORY: 'FST_SNAPSHOT_DATABASE_UNWRITABLE',
  EACCES: 'FST_SNAPSHOT_DATABASE_UNWRITABLE'
}

for (const [code, expected] of Object.entries(codes)) {
  t.test(`${code} is explained as ${expected}, its cause kept`, async t => {
    const cause = Object.assign(new Error('as SQLite said'), { code })
    t.match(explainSqliteError(cause, target), { code: expected, cause })
  })
}

t.test('a log that is not the one its index describes is damage, in the same words', async t => {
  const cause = new NotDirectlyReadable('its write-ahead log is not the one its index describes')
  t.match(explainSqliteError(cause, target), { code: 'FST_SNAPSHOT_DATABASE_DAMAGED', message: /is not the one its index describes/, cause })
})

t.test('an error that is coded already, or that nobody knows, stays what it is', async t => {
  for (const error of [new DatabaseLockedError('/data/app.db', 5), new Error('something else')]) t.equal(explainSqliteError(error, target), error)
})
