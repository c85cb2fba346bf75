import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { integrityOf } from '../../helpers/databases.ts'
import { sha256OfFile } from '../../helpers/round-trip.ts'
import { bitsOf, countRequests, deployOnS3, nameOf, outcomeOf, pagesOf, trouble, type S3Server, type Trouble } from '../../helpers/s3-deployment.ts'

/** A restore with something going wrong at each of its requests is a success or a clear error that has changed nothing. */
export function restoreFaults (t: Test, server: S3Server, troubles: Trouble[]): void {
  void t.test('restoring to a file, and over the live database', async t => {
    const { application, path, proxy, writer } = await deployOnS3(t, server, 6 * 2 ** 20)
    const folder = join(t.testdirName, 'restored')
    const making = writer('patient')
    await making.createSnapshot('full')
    application.exec("UPDATE items SET text = 'changed' WHERE id = 1")
    await making.createSnapshot('a')
    const [bits, pages] = [bitsOf(application), pagesOf(application)]
    const change = (): void => { application.exec("DELETE FROM items WHERE id <= 10; INSERT INTO items (text) VALUES ('not in the snapshot'); UPDATE items SET data = randomblob(length(data))") }
    change()
    const file = join(folder, 'app.db')
    const toFile = await countRequests(proxy, async () => { await making.restoreToFile('a', join(folder, 'first.db')) })
    const toLive = await countRequests(proxy, async () => { await making.restoreFromSnapshot('a') })
    await making.close()
    t.ok(Math.min(toFile, toLive) > 3, `they take ${toFile} and ${toLive} requests`)

    for (const each of troubles) {
      const faulty = writer('faulty', { recoveryDir: join(t.testdirName, 'recovery') })
      for (let nth = 1; nth <= toFile; nth++) {
        const where = `to a file, ${nameOf(each)} at request ${nth}`
        change()
        trouble(proxy, each, nth)
        const outcome = await outcomeOf(t, where, faulty.restoreToFile('a', file))
        if ('error' in outcome) t.same(readdirSync(folder), ['first.db'], where)
        else t.equal(sha256OfFile(file), bits, where)
        proxy.decide = () => undefined
        for (const name of readdirSync(folder).filter(name => name !== 'first.db')) rmSync(join(folder, name))
      }
      for (let nth = 1; nth <= toLive; nth++) {
        const where = `over the live database, ${nameOf(each)} at request ${nth}`
        change()
        const before = bitsOf(application)
        trouble(proxy, each, nth)
        const outcome = await outcomeOf(t, where, faulty.restoreFromSnapshot('a'))
        proxy.decide = () => undefined
        if ('error' in outcome) t.equal(bitsOf(application), before, `${where}: it is unchanged`)
        else t.equal(pagesOf(application), pages, where)
      }
      await faulty.close()
    }
    t.equal(integrityOf(path), 'ok')

    const sound = writer('direct')
    for (const name of ['full', 'a']) t.match(await sound.verifySnapshot(name), { isHealthy: true, errors: [] })
    t.match(await sound.getSnapshot('a'), { replicas: [{ storage: 's3', state: 'STORED' }] })
    t.match(await sound.createSnapshot('next'), { status: 'COMPLETED' })
    await sound.restoreFromSnapshot('a')
    t.equal(pagesOf(application), pages)
  })
}
