import Database from 'better-sqlite3'
import { join } from 'node:path'
import { SnapshotWriter } from '../helpers/built.ts'
import { openPlace } from '../helpers/shared-places.ts'

/* A host that creates, deletes and runs retention in a place that others use as well, and says which snapshots it should have. */
const [, , folder = '', place = '', rounds] = process.argv
const host = folder.split('/').at(-1)
const writer = new SnapshotWriter({ database: join(folder, 'app.db'), snapshotDir: join(folder, 'backups'), storage: openPlace(JSON.parse(place)) })
const application = new Database(join(folder, 'app.db'))
process.send?.('ready')
for (let round = 0; round < Number(rounds); round++) {
  application.prepare('UPDATE items SET text = ? WHERE id = 1').run(`${host} ${round}`)
  await writer.createSnapshot(`round-${round}`, { labels: { content: `${host} ${round}` } })
  await writer.createScheduledSnapshot(2)
  if (round % 2 === 1) await writer.deleteSnapshot(`round-${round - 1}`)
  if (round % 4 === 1) await writer.updateSnapshot(`round-${round}`, { pinned: true })
}
const { snapshots } = await writer.listSnapshots({ limit: 1000 })
const { source } = await writer.getSnapshot('latest')
await writer.close()
application.close()
process.send?.({ source, ids: snapshots.filter(snapshot => snapshot.source === source).map(({ id }) => id) })
process.disconnect?.()
