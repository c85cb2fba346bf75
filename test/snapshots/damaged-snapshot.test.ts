import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SnapshotWriter } from '../../src/index.ts'
import { decodeManifest, encodeManifest, type Manifest } from '../../src/format/manifest.ts'
import { sha256Hex } from '../../src/format/checksum.ts'
import { flipBit } from '../helpers/damage.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { RemoteStorage } from '../helpers/remote-storage.ts'
import { writerFor } from '../helpers/round-trip.ts'

interface Stored { writer: SnapshotWriter, path: string, pack: string, manifest: string, otherPack: string, otherManifest: string }

/** Two snapshots of a database that has changed since. */
async function makeSnapshots (t: Test, isRemote = false): Promise<Stored> {
  const folder = testFolder(t)
  const path = join(folder, 'app.db')
  const database = makeDatabase(path, { rows: 12_000 })
  t.teardown(() => { database.close() })
  const writer = writerFor(t, path, isRemote ? { storage: new RemoteStorage(join(folder, 'backups')) } : {})
  const { id } = await writer.createSnapshot('first')
  database.exec("UPDATE items SET text = 'changed' WHERE id % 3 = 0")
  const { id: otherId } = await writer.createSnapshot('second')
  database.exec('DELETE FROM items WHERE id > 10')
  const stored = join(folder, 'backups', 'app')
  const pack = (of: string): string => join(stored, 'packs', of, 'data.zst')
  const manifest = (of: string): string => join(stored, 'snapshots', `${of}.json`)
  return { writer, path, pack: pack(id), manifest: manifest(id), otherPack: pack(otherId), otherManifest: manifest(otherId) }
}

function rewrite (file: string, change: (manifest: Manifest) => object): void {
  const body = JSON.stringify(change(decodeManifest(readFileSync(file))))
  writeFileSync(file, `${body}\n${JSON.stringify({ sha256: sha256Hex(body), mac: null })}\n`)
}

const damages: Record<string, (stored: Stored) => void> = {
  'a flipped bit in the first frame': ({ pack }) => { flipBit(pack, 0.1) },
  'a flipped bit in the last frame': ({ pack }) => { flipBit(pack, 0.95) },
  'a cut pack': ({ pack }) => { truncateSync(pack, readFileSync(pack).length >> 1) },
  'an empty pack': ({ pack }) => { truncateSync(pack, 0) },
  'a missing pack': ({ pack }) => { rmSync(pack) },
  'the pack of another snapshot': ({ pack, otherPack }) => { copyFileSync(otherPack, pack) },
  'a flipped bit in the body of the manifest': ({ manifest }) => { flipBit(manifest, 0.3) },
  'a flipped bit in the checksum line of the manifest': ({ manifest }) => { flipBit(manifest, 0.95) },
  'a cut manifest': ({ manifest }) => { truncateSync(manifest, 300) },
  'an empty manifest': ({ manifest }) => { truncateSync(manifest, 0) },
  'a missing manifest': ({ manifest }) => { rmSync(manifest) },
  'the manifest of another snapshot': ({ manifest, otherManifest }) => { copyFileSync(otherManifest, manifest) },
  'the manifest and pack of another snapshot under its id': ({ manifest, otherManifest, otherPack, pack }) => {
    copyFileSync(otherPack, pack)
    const own = decodeManifest(readFileSync(manifest))
    rewrite(otherManifest, other => ({ ...other, id: own.id, map: { ...other.map, pack: own.map.pack } }))
    copyFileSync(otherManifest, manifest)
  },
  'a manifest of a newer version': ({ manifest }) => { rewrite(manifest, body => ({ ...body, formatVersion: 2 })) },
  'a manifest that requires an unknown feature': ({ manifest }) => { rewrite(manifest, body => ({ ...body, required: ['time-travel'] })) },
  'a manifest with a wrong field': ({ manifest }) => { rewrite(manifest, body => ({ ...body, image: { ...body.image, pageCount: -1 } })) },
  'a manifest that promises another image': ({ manifest }) => {
    rewrite(manifest, body => ({ ...body, image: { ...body.image, pageCount: body.image.pageCount - 1, size: body.image.size - body.image.pageSize } }))
  }
}

for (const [damage, inflict] of Object.entries(damages)) {
  for (const isRemote of [false, true]) {
    t.test(`${damage}, read ${isRemote ? 'through the storage' : 'where the files are'}: nothing is restored and the live database is untouched`, async t => {
      const stored = await makeSnapshots(t, isRemote)
      const { writer, path } = stored
      const content = contentOf(path)
      inflict(stored)
      await t.rejects(writer.restoreFromSnapshot('first'), { code: 'FST_SNAPSHOT_DAMAGED', statusCode: 422 })
      await t.rejects(writer.downloadSnapshot('first'), { code: 'FST_SNAPSHOT_DAMAGED' })
      t.same(contentOf(path), content)

      const verification = await writer.verifySnapshot('first')
      t.equal(verification.isHealthy, false)
      t.equal(verification.errors.length, 1)
      t.match((await writer.getSnapshot('first')).replicas, [{ storage: isRemote ? 'remote' : 'local', state: /missing/.test(damage) ? 'MISSING' : 'DAMAGED' }])
    })
  }
}

t.test('what was encoded again unchanged is still good', async t => {
  const { writer, manifest } = await makeSnapshots(t)
  writeFileSync(manifest, encodeManifest(decodeManifest(readFileSync(manifest))))
  t.match(await writer.verifySnapshot('first'), { isHealthy: true, errors: [] })
  t.match(await writer.restoreFromSnapshot('first'), { status: 'SUCCESS' })
})

t.test('every byte of a pack is verified', async t => {
  const { writer, pack, manifest } = await makeSnapshots(t)
  const good = readFileSync(pack)
  const { map } = decodeManifest(readFileSync(manifest))
  for (const where of [(map.offset - 7.5) / good.length, (map.offset + map.storedLength + 0.5) / good.length, 0, 0.5, 1 - 700 / good.length, 1 - 600 / good.length, 1 - 300 / good.length, 1 - 20 / good.length, 1]) {
    flipBit(pack, where)
    t.equal((await writer.verifySnapshot('first')).isHealthy, false, `a flipped bit at ${where}`)
    writeFileSync(pack, good)
  }
  writeFileSync(pack, Buffer.concat([good, Buffer.from('more')]))
  t.equal((await writer.verifySnapshot('first')).isHealthy, false, 'bytes after the end')
})
