import t from 'tap'
import { noRealS3, realS3 } from '../helpers/real-s3.ts'
import type { Fault, SeenRequest } from '../helpers/fault-proxy.ts'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { makeFaultyStorage } from '../helpers/s3-storages.ts'
import { keysOf } from './conformance/helpers.ts'

const emulator = await startS3Emulator(t)
const isBatch = ({ method, url }: SeenRequest): boolean => method === 'POST' && /\?delete/.test(url)
const numbered = (count: number): string[] => Array.from({ length: count }, (_, number) => `app/${String(number).padStart(5, '0')}`)

for (const [server, place, skip] of [['an emulator', async () => emulator, false], ['a real S3 server', realS3, noRealS3]] as const) {
  t.test(`${server}: a thousand objects go in one request, and none is asked of twice`, { skip }, async t => {
    const { proxy, storage, direct } = await makeFaultyStorage(t, await place(), { stallTimeout: 10_000, requestTimeout: 20_000 })
    const keys = numbered(1005)
    for (let at = 0; at < keys.length; at += 50) await Promise.all(keys.slice(at, at + 50).map(async key => await direct.put(key, Buffer.from('x'))))
    t.same(await keysOf(direct, ''), keys)
    await direct.put('app/stays', Buffer.from('x'))
    await storage.deleteAll([...keys, ...keys])
    t.same(proxy.requests.map(isBatch), [true, true])
    t.same(await keysOf(direct, ''), ['app/stays'])
    await storage.deleteAll([])
    t.equal(proxy.requests.length, 2, 'of nothing nothing is asked')
  })
}

t.test('a request carries the checksums that one server or another insists on', async t => {
  const { proxy, storage } = await makeFaultyStorage(t, emulator)
  await storage.deleteAll(['app/object'])
  t.match(proxy.requests[0]?.headers, { 'content-md5': /^[\w+/]{22}==$/, 'x-amz-checksum-crc32': String, 'x-amz-content-sha256': /^[0-9a-f]{64}$/ })
})

const refusals: Array<[string, Fault]> = [
  ['knows no such requests', { status: 501, code: 'NotImplemented' }],
  ['lets them be by no path', { status: 405, code: 'MethodNotAllowed' }],
  ['asks for other rights', { status: 403, code: 'AccessDenied' }],
  ['answers something else', { status: 200, body: '<html>a proxy</html>' }],
  ['deletes none', { status: 200, body: '<DeleteResult/>' }],
  ['can not do it now', { status: 200, body: '<DeleteResult><Error><Key>app/00001</Key><Code>InternalError</Code></Error></DeleteResult>' }]
]
for (const [what, fault] of refusals) {
  t.test(`where the server ${what}, objects are deleted one by one`, async t => {
    const { proxy, storage, direct } = await makeFaultyStorage(t, emulator)
    for (const key of numbered(10)) await direct.put(key, Buffer.from('x'))
    proxy.decide = request => isBatch(request) ? fault : undefined
    await storage.deleteAll(numbered(9))
    t.same(await keysOf(direct, ''), ['app/00009'])
    t.equal(proxy.requests.filter(({ method }) => method === 'DELETE').length, 9)
  })
}

t.test('what cannot be deleted hinders no others, and the first failure is told', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator)
  for (const key of numbered(9)) await direct.put(key, Buffer.from('x'))
  proxy.decide = request => isBatch(request) || /0000[357]/.test(request.url) ? { status: 403, code: /00005/.test(request.url) ? 'ExpiredToken' : 'AccessDenied' } : undefined
  await t.rejects(storage.deleteAll(numbered(9)), { code: 'FST_SNAPSHOT_STORAGE_DENIED', message: /access to bucket "bucket"/ })
  t.same(await keysOf(direct, ''), ['app/00003', 'app/00005', 'app/00007'])
})

t.test('a batch that fails hinders no others', async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, emulator)
  await direct.put('app/01000', Buffer.from('x'))
  proxy.decide = ({ number }) => number <= 2 ? 'reset' : undefined
  await t.rejects(storage.deleteAll(numbered(1001)), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE' })
  t.same(await keysOf(direct, ''), [])
})

t.test('bytes that were changed on their way are refused by a real S3 server', { skip: noRealS3 }, async t => {
  const { proxy, storage, direct } = await makeFaultyStorage(t, await realS3())
  await direct.put('app/object', Buffer.from('x'))
  proxy.fail('corrupt-request', { fits: isBatch })
  await t.rejects(storage.deleteAll(['app/object']), { code: 'FST_SNAPSHOT_STORAGE_UNAVAILABLE', message: /bytes were changed on the way/ })
  t.match(await direct.head('app/object'), { bytes: 1 })
})
