import { join } from 'node:path'
import type { Test } from 'tap'
import type { Snapshot, SnapshotWriter } from '../../../src/index.ts'
import { manifestKey, marksKey, packKey } from '../../../src/format/keys.ts'
import { countRequests, allSnapshots, deployOnS3, nameOf, outcomeOf, trouble, type S3Deployment, type S3Server, type Trouble } from '../../helpers/s3-deployment.ts'
import { read } from '../../storage/conformance/helpers.ts'

/** What the catalog must say of a snapshot, whoever asks. */
const essence = ({ id, name, status, pinned, labels, replicas, checksum, source }: Snapshot): object => ({ id, name, status, pinned, labels, replicas, checksum, source })
const essences = async (writer: SnapshotWriter): Promise<object[]> => (await allSnapshots(writer)).map(essence)

/** A rebuild of the catalog with something going wrong at each of its requests ends with an error or is complete; it never makes anything up. */
export function rebuildFaults (t: Test, server: S3Server, troubles: Trouble[]): void {
  void t.test('rebuilding the catalog', async t => {
    const deployment = await deployOnS3(t, server, 300_000)
    const { application, proxy, writer, direct } = deployment
    const own = writer('direct')
    for (const name of ['plain', 'pinned', 'labelled', 'deleted']) {
      application.exec(`UPDATE items SET text = '${name}' WHERE id = 1`)
      await own.createSnapshot(name, name === 'labelled' ? { labels: { for: 'test' } } : {})
    }
    await own.updateSnapshot('pinned', { pinned: true })
    const { id: deleted } = await own.getSnapshot('deleted')
    const manifest = await read(direct, manifestKey('app', deleted))
    await own.deleteSnapshot('deleted')
    await direct.put(manifestKey('app', deleted), manifest)
    await direct.put(marksKey('app', deleted), Buffer.from(JSON.stringify({ revision: 1, pinned: false, labels: {}, deletedAt: new Date().toISOString() })))
    const truth = await essences(own)
    t.equal(truth.length, 3)
    await own.close()

    const machine = (name: string, way: 'patient' | 'faulty'): SnapshotWriter => {
      const folder = join(t.testdirName, `machine ${name}`)
      return writer(way, { snapshotDir: folder, database: join(folder, 'app.db') })
    }
    const counting = machine('first', 'patient')
    const count = await countRequests(proxy, async () => await counting.rebuildCatalog())
    t.same(await essences(counting), truth)
    await counting.close()
    t.ok(count > 3, `it takes ${count} requests`)

    for (const each of troubles) {
      for (let nth = 1; nth <= count; nth++) {
        const where = `on a blank machine, ${nameOf(each)} at request ${nth}`
        const blank = machine(where, 'faulty')
        trouble(proxy, each, nth)
        const outcome = await outcomeOf(t, where, blank.rebuildCatalog())
        proxy.decide = () => 'reset' // now it is the catalog alone that answers
        const isComplete = 'result' in outcome && outcome.result.storages.every(({ error, unreadable }) => error === null && unreadable.length === 0)
        const found = await essences(blank)
        if (isComplete) t.same(found, truth, where)
        await checkTrue(t, where, blank, deployment)
        proxy.decide = () => undefined
        await blank.close()
        const again = machine(where, 'patient')
        await again.rebuildCatalog()
        t.same(await essences(again), truth, `${where}, and once more`)
        await again.close()
      }

      const known = writer('faulty')
      for (let nth = 1; nth <= count; nth++) {
        const where = `of the deployment itself, ${nameOf(each)} at request ${nth}`
        trouble(proxy, each, nth)
        await outcomeOf(t, where, known.rebuildCatalog())
        proxy.decide = () => undefined
        t.same(await essences(known), truth, where)
      }
      await known.close()
    }
  })
}

/** What is shown as stored is there. */
async function checkTrue (t: Test, where: string, writer: SnapshotWriter, { direct }: S3Deployment): Promise<void> {
  for (const { id, replicas } of await allSnapshots(writer)) {
    if (replicas[0]?.state === 'STORED') t.ok(await direct.head(packKey('app', id)) !== null && await direct.head(manifestKey('app', id)) !== null, `${where}: ${id} is there`)
  }
}
