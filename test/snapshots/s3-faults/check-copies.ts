import { join } from 'node:path'
import type { Test } from 'tap'
import { LocalStorage, type SnapshotWriter } from '../../../src/index.ts'
import { sha256OfFile } from '../../helpers/round-trip.ts'
import { allSnapshots, bitsOf, countRequests, deployOnS3, nameOf, outcomeOf, trouble, type S3Server, type Trouble } from '../../helpers/s3-deployment.ts'
import { keysOf } from '../../storage/conformance/helpers.ts'

const KINDS = { 'that shares pages with earlier ones': 300_000, 'in parts': 6 * 2 ** 20 }
type Kind = keyof typeof KINDS

/** Copies are made in the background: whatever goes wrong there, a creation is COMPLETED at once, and in the end all is copied. */
export function copyFaults (t: Test, server: S3Server, troubles: Trouble[], kinds = Object.keys(KINDS) as Kind[]): void {
  for (const what of kinds) {
    const blobBytes = KINDS[what]
    void t.test(`copying a snapshot ${what}`, async t => {
      const { application, proxy, writer, storages, direct, openUploads } = await deployOnS3(t, server, blobBytes)
      const local = new LocalStorage(join(t.testdirName, 'local'))
      const options = { labels: { for: 'test' }, full: what === 'in parts' }
      const bits = new Map<string, string>()
      const change = (): void => { application.exec(`UPDATE items SET text = 'for snapshot ${bits.size}' WHERE id = 1`) }

      const counting = writer('patient', { storage: [local, storages.patient] })
      await counting.createSnapshot('first')
      await counting.completeReplicas()
      change()
      const count = await countRequests(proxy, async () => {
        await counting.createSnapshot('second', options)
        await counting.completeReplicas()
      })
      await counting.close()
      t.ok(count > 3, `it takes ${count} requests`)

      for (const each of troubles) {
        const faulty = writer('faulty', { storage: [local, storages.faulty] })
        for (let nth = 1; nth <= count; nth++) {
          const where = `${nameOf(each)} at request ${nth}`
          change()
          trouble(proxy, each, nth)
          const { id, status } = await faulty.createSnapshot(`s${bits.size}`, options)
          t.equal(status, 'COMPLETED', where)
          bits.set(id, bitsOf(application))
          await outcomeOf(t, where, faulty.completeReplicas())
          proxy.decide = () => undefined
        }
        await faulty.close()
      }

      const sound = writer('direct', { storage: [local, storages.direct] })
      await sound.completeReplicas()
      for (const { id, replicas } of await allSnapshots(sound)) {
        t.same(replicas, [{ storage: 'local', state: 'STORED' }, { storage: 's3', state: 'STORED' }])
        if (!bits.has(id)) continue
        t.match(await sound.verifySnapshot(id), { isHealthy: true, replicas: [{ isHealthy: true }, { isHealthy: true }] })
      }
      await sound.close()
      await checkBucketAlone(t, writer('direct', { snapshotDir: join(t.testdirName, 'blank'), database: join(t.testdirName, 'blank', 'app.db') }), bits)

      const last = writer('direct', { storage: [local, storages.direct] })
      for (const { id } of await allSnapshots(last)) await last.deleteSnapshot(id)
      await last.completeReplicas()
      t.same(await keysOf(direct, ''), [], 'once all are deleted nothing is stored')
      t.same(await openUploads(), [], 'and no part of an upload')
    })
  }
}

/** All of them were verified; of some it is seen that what was stored is the database. */
async function checkBucketAlone (t: Test, blank: SnapshotWriter, bits: Map<string, string>): Promise<void> {
  t.equal((await allSnapshots(blank)).filter(({ id }) => bits.has(id)).length, bits.size)
  for (const [id, expected] of [...bits].slice(-3)) {
    const file = join(t.testdirName, `${id}.db`)
    await blank.restoreToFile(id, file)
    t.equal(sha256OfFile(file), expected, 'the bucket alone has it bit for bit')
  }
  await blank.close()
}
