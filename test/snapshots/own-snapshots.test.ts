import Database from 'better-sqlite3'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { writerFor } from '../helpers/round-trip.ts'

t.test('a snapshot of another deployment is named by its machine, where that is known', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path).close()
  const first = writerFor(t, path)
  await first.createSnapshot('a')
  await first.close()
  const [writer, other] = [writerFor(t, path), randomUUID()]
  const change = (sql: string, ...values: unknown[]): void => {
    const catalog = new Database(join(t.testdirName, 'backups', 'catalog.db'))
    catalog.prepare(sql).run(...values)
    catalog.close()
  }
  change("UPDATE snapshots SET source = ?, sourceHost = 'db2'", other)
  await t.rejects(writer.deleteSnapshot('a'), { code: 'FST_SNAPSHOT_NOT_OWN', statusCode: 409, message: new RegExp(`another deployment \\(${other}, made on db2\\)`) })
  change('UPDATE snapshots SET sourceHost = NULL')
  await t.rejects(writer.updateSnapshot('a', { pinned: true }), { code: 'FST_SNAPSHOT_NOT_OWN', message: new RegExp(`another deployment \\(${other}\\)`) })
  t.match(writer.health(), { status: 'ok', sources: [{ id: other, host: null, snapshots: 1 }] })
  t.match(await writer.restoreFromSnapshot('a'), { status: 'SUCCESS' })
})
