import type Database from 'better-sqlite3'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lookAtLive } from '../../../src/engine/apply/look-at-live.ts'
import { openTarget, type Target } from '../../../src/engine/target-database.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

const targetIn = (t: Test): Target => {
  const path = join(testFolder(t), 'app.db')
  const application = makeDatabase(path, { journalMode: 'wal' })
  t.teardown(() => { application.close() })
  return { path, lockTimeoutMs: 1000 }
}

const moveAway = ({ path }: Target): void => { for (const suffix of ['', '-wal', '-shm']) renameSync(path + suffix, `${path}.gone${suffix}`) }

t.test('a database is opened with what its files are', async t => {
  const { database, kind, pages } = lookAtLive(targetIn(t))
  t.teardown(() => { database.close() })
  t.match(kind, { pageSize: 4096, encoding: 'UTF-8', isWal: true, isEmpty: false })
  t.ok(pages.areCurrent())
})

t.test('whatever fails while the database is moved away is that it has changed, and nothing stays open', async t => {
  const opened: Database.Database[] = []
  const whileOpening = (target: Target): Database.Database => {
    moveAway(target)
    throw new Error('disk I/O error')
  }
  t.throws(() => lookAtLive(targetIn(t), whileOpening), { message: /moved away while it was opened: disk I\/O error/, cause: { message: 'disk I/O error' } })
  const afterOpening = (target: Target): Database.Database => {
    const database = openTarget(target)
    opened.push(database)
    moveAway(target)
    database.pragma = () => { throw new Error('disk I/O error') }
    return database
  }
  t.throws(() => lookAtLive(targetIn(t), afterOpening), { message: /moved away while it was opened/ })
  t.notOk(opened[0]!.open)
})

t.test('a database that is moved away without its log has changed: alone, that is no database', async t => {
  const opened: Database.Database[] = []
  const afterOpening = (target: Target): Database.Database => {
    opened.push(openTarget(target))
    renameSync(target.path, `${target.path}.gone`)
    return opened[0]!
  }
  t.throws(() => lookAtLive(targetIn(t), afterOpening), { message: /moved away while it was opened/ })
  t.notOk(opened[0]!.open)
})

t.test('what fails where the database has stayed is thrown as it is', async t => {
  const failure = new Error('disk I/O error')
  t.throws(() => lookAtLive(targetIn(t), () => { throw failure }), failure)
})
