import Database from 'better-sqlite3'
import { join } from 'node:path'
import t from 'tap'
import { countIncomplete, snapshotsToCopy } from '../../src/catalog/replicas.ts'
import { findLatest, findSnapshot, lastEndedCreation, pageOfSnapshots, snapshotsWithStatus, unfinishedDeletions } from '../../src/catalog/snapshots.ts'
import { openCatalog } from '../helpers/catalogs.ts'
import { testFolder } from '../helpers/folder.ts'

/*
 * Rows of deleted snapshots stay in the catalog, in the end most rows are such. Whether a query looks at them does not show in
 * its result, only in SQLite's plan for it.
 */
const { prepare } = Database.prototype
let statements: string[] = []
t.beforeEach(() => {
  statements = []
  Database.prototype.prepare = function (this: Database.Database, sql: string) {
    if (sql.startsWith('select')) statements.push(sql)
    return prepare.call(this, sql)
  } as typeof prepare
})
t.afterEach(() => { Database.prototype.prepare = prepare })

const after = { sequence: 1, id: '' }
const queries: Array<[what: string, index: string, ask: (catalog: ReturnType<typeof openCatalog>) => unknown]> = [
  ['a page', 'snapshots_present (database=?)', catalog => pageOfSnapshots(catalog, 'app', { limit: 1 })],
  ['a page behind another', 'snapshots_present (database=? AND (sequence,id)<(?,?))', catalog => pageOfSnapshots(catalog, 'app', { limit: 1, after })],
  ['a page in the other order', 'snapshots_present (database=? AND (sequence,id)>(?,?))', catalog => pageOfSnapshots(catalog, 'app', { limit: 1, order: 'asc', after })],
  ['a page of one status', 'snapshots_status (database=? AND status=? AND (sequence,id)<(?,?))', catalog => pageOfSnapshots(catalog, 'app', { limit: 1, status: 'FAILED', after })],
  ['the latest', 'snapshots_source (database=? AND source=?)', catalog => findLatest(catalog, 'app')],
  ['a name', 'snapshots_name (database=? AND name=?)', catalog => findSnapshot(catalog, 'app', 'one')],
  ['those of one status', 'snapshots_status (database=? AND status=?)', catalog => snapshotsWithStatus(catalog, 'app', ['CREATING'])],
  ['copies to be made', 'snapshots_to_replicate (database=?)', catalog => snapshotsToCopy(catalog, 'app', 's3')],
  ['how many copies are to be made', 'snapshots_to_replicate (database=?)', catalog => countIncomplete(catalog, 'app')],
  ['how the last creation ended', 'snapshots_ended (database=? AND source=?)', catalog => lastEndedCreation(catalog, 'app')],
  ['unfinished deletions', 'snapshots_to_remove (database=?)', catalog => unfinishedDeletions(catalog, 'app')]
]
for (const [what, index, ask] of queries) {
  t.test(`${what} is found without a look at the deleted snapshots`, async t => {
    const folder = testFolder(t)
    const catalog = openCatalog(t, folder)
    ask(catalog)
    const sql = statements.find(statement => statement.includes('"snapshots"') && !statement.includes('"sources"')) as string
    const file = new Database(join(folder, 'catalog.db'))
    t.teardown(() => file.close())
    const plan = file.prepare(`EXPLAIN QUERY PLAN ${sql.replaceAll('?', '1')}`).all() as Array<{ detail: string }>
    t.match(plan, [{ detail: `SEARCH snapshots USING INDEX ${index}` }])
  })
}
