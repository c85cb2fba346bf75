import Database from 'better-sqlite3'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeDatabase } from '../../helpers/databases.ts'
import { allOf, hostOn, jsonIn, keysIn } from '../../helpers/deployments.ts'
import { testFolder } from '../../helpers/folder.ts'
import { BackgroundScript } from '../../helpers/run-script.ts'
import { openPlace, sharedPlaces } from '../../helpers/shared-places.ts'

const ROUNDS = 6

interface Report { source: string, ids: string[] }

for (const { what, skip, make } of sharedPlaces) {
  t.test(`two deployments create, delete and run retention in ${what} at once, and neither harms the other`, { skip }, async t => {
    testFolder(t)
    const place = await make(t)
    const hosts = await Promise.all(['one', 'two'].map(async host => {
      const folder = join(t.testdirName, host)
      mkdirSync(folder)
      makeDatabase(join(folder, 'app.db'), { rows: 500 }).close()
      return await BackgroundScript.start<Report>(t, 'share-place', folder, JSON.stringify(place), String(ROUNDS))
    }))
    const reports = await Promise.all(hosts.map(async host => {
      const [report] = await once(host.child, 'message')
      return report as Report
    }))
    const folder = join(t.testdirName, 'third')
    mkdirSync(folder)
    const remote = openPlace(place)
    const { writer } = hostOn(t, folder, remote)
    const snapshots = await allOf(writer)
    t.same(snapshots.map(({ id }) => id).toSorted(), reports.flatMap(({ ids }) => ids).toSorted(), 'what each says it has is there, and nothing else')
    for (const { source } of reports) {
      t.same(snapshots.filter(snapshot => snapshot.source === source && snapshot.trigger === 'manual').map(({ name }) => name), ['round-1', 'round-3', 'round-5'])
      t.equal(snapshots.filter(snapshot => snapshot.source === source && snapshot.trigger === 'scheduled').length, 2)
    }
    for (const { id, labels, status } of snapshots) {
      t.equal(status, 'COMPLETED')
      t.match(await writer.verifySnapshot(id), { isHealthy: true })
      const file = join(folder, `${id}.db`)
      await writer.restoreToFile(id, file)
      const copy = new Database(file)
      const text = copy.prepare('SELECT text FROM items WHERE id = 1').pluck().get()
      copy.close()
      t.equal(text, labels.content ?? text)
    }
    const needed = new Set<string>()
    for (const key of await keysIn(remote, '/snapshots/')) for (const { id } of (await jsonIn(remote, key)).packs as Array<{ id: string }>) needed.add(id)
    t.same((await keysIn(remote, '/packs/')).map(key => key.split('/')[2]).toSorted(), [...needed].toSorted(), 'no pack is left that nothing needs')
    t.same(writer.health().sources.length, 2)
  })
}
