import Database from 'better-sqlite3'
import { readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fileBehind } from '../../../src/engine/apply/own-files.ts'
import { placeImage } from '../../../src/engine/apply/place-image.ts'
import { contentOf, makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

t.test('an image takes the place of a database that is gone, and what that has left goes into quarantine', async t => {
  const folder = testFolder(t, { 'app.db-wal': 'an old log', 'app.db-journal': 'an old journal' })
  const [path, image, quarantine] = ['app.db', 'image.db', 'quarantine'].map(name => join(folder, name)) as [string, string, string]
  makeDatabase(image, { journalMode: 'delete' }).close()
  placeImage({ id: 'id', target: { path, lockTimeoutMs: 0 }, image, intentFile: join(folder, 'intent'), quarantine }, null)
  t.same(JSON.parse(readFileSync(join(folder, 'intent'), 'utf8')), { backup: null, quarantine, wasMissing: true, isCheckpointed: false, modifiedMs: 0 })
  t.same(contentOf(path), contentOf(image))
  t.same(readdirSync(quarantine).sort(), ['app.db-journal', 'app.db-wal'])
  t.equal(readFileSync(join(quarantine, 'app.db-wal'), 'utf8'), 'an old log')
  t.same(readdirSync(folder).sort(), ['app.db', 'image.db', 'intent', 'quarantine'])
})

t.test('the log of a database that the application makes meanwhile stays where it is', async t => {
  const folder = testFolder(t, { 'app.db-wal': 'an old log' })
  const [path, image] = ['app.db', 'image.db'].map(name => join(folder, name)) as [string, string]
  makeDatabase(image).close()
  const { renameSync } = fs
  t.teardown(() => { fs.renameSync = renameSync; syncBuiltinESMExports() })
  fs.renameSync = (from, to) => {
    fs.renameSync = renameSync
    syncBuiltinESMExports()
    renameSync(from, to)
    writeFileSync(path, '') // in this moment
  }
  syncBuiltinESMExports()
  t.throws(() => { placeImage({ id: 'id', target: { path, lockTimeoutMs: 0 }, image, intentFile: join(folder, 'intent'), quarantine: join(folder, 'quarantine') }, null) }, { message: /a database has appeared/ })
  t.equal(readFileSync(`${path}-wal`, 'utf8'), 'an old log')
  t.same(readdirSync(folder).sort(), ['app.db', 'app.db-wal', 'image.db'])
  new Database(path).close()
})

t.test('links are followed as the system does, those in a folder that is a link itself as well', async t => {
  const folder = testFolder(t, { disk: { sub: {}, store: {} } })
  symlinkSync(join('disk', 'sub'), join(folder, 'current'))
  symlinkSync(join('..', 'store', 'app.db'), join(folder, 'disk', 'sub', 'app.db'))
  t.equal(fileBehind(join(folder, 'current', 'app.db')), join(realpathSync(folder), 'disk', 'store', 'app.db'))
})
