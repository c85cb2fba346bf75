import { createHash } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { customHost } from '../helpers/custom-host.ts'
import { contentOf, integrityOf } from '../helpers/databases.ts'
import { testFolder } from '../helpers/folder.ts'
import { ADMIN_TOKEN, startHost } from '../helpers/host.ts'

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

t.test('the download is the plain database file of the snapshot, with its checksum', async t => {
  const { request, path, folder } = await startHost(t)
  const snapshot = (await request('POST', '/snapshots', { name: 'first' })).json()
  const response = await request('GET', '/snapshots/first/download')
  t.equal(response.statusCode, 200)
  t.match(response.headers, { 'content-type': 'application/vnd.sqlite3', 'content-length': String(snapshot.size), 'content-disposition': 'attachment; filename="first.db"' })
  t.equal(sha256(response.rawPayload), snapshot.checksum)
  const file = join(folder, 'downloaded.db')
  writeFileSync(file, response.rawPayload)
  t.equal(integrityOf(file), 'ok')
  t.same(contentOf(file), contentOf(path))
  t.same(readdirSync(join(folder, 'backups', '.tmp', 'app')), [], 'nothing is left behind')
})

t.test('downloads over the network, several at a time, are whole', async t => {
  const { app, request } = await startHost(t)
  const { checksum } = (await request('POST', '/snapshots', { name: 'first' })).json()
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const checksums = await Promise.all([1, 2, 3].map(async () => {
    const response = await fetch(`${address}/snapshots/first/download`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
    return sha256(Buffer.from(await response.arrayBuffer()))
  }))
  t.same(checksums, [checksum, checksum, checksum])
})

t.test('a download that the client gives up leaves nothing behind, and the next one works', async t => {
  const { app, request, folder } = await startHost(t)
  const { checksum } = (await request('POST', '/snapshots', { name: 'first' })).json()
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const aborting = new AbortController()
  const response = await fetch(`${address}/snapshots/first/download`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, signal: aborting.signal })
  aborting.abort()
  t.equal(response.status, 200)
  t.equal(sha256((await request('GET', '/snapshots/first/download')).rawPayload), checksum)
  t.same(readdirSync(join(folder, 'backups', '.tmp', 'app')), [])
})

t.test('the download of an empty database is one that opens and has nothing in it', async t => {
  const path = join(testFolder(t, { 'app.db': '' }), 'app.db')
  const { request } = await customHost(t, path)
  const snapshot = (await request('POST', '/snapshots', { name: 'empty' })).json()
  t.equal(snapshot.status, 'COMPLETED')
  const response = await request('GET', '/snapshots/empty/download')
  t.equal(response.rawPayload.length, snapshot.size)
  t.equal(sha256(response.rawPayload), snapshot.checksum)
  const file = `${path}.downloaded`
  writeFileSync(file, response.rawPayload)
  t.same(contentOf(file), contentOf(path))
})

t.test('a HEAD request does not make a download', async t => {
  const { request } = await startHost(t)
  await request('POST', '/snapshots', { name: 'first' })
  t.equal((await request('HEAD', '/snapshots/first/download')).statusCode, 404)
})
