import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LocalStorage, S3Storage, type SnapshotStorage } from '../src/index.ts'
import { snapshotSettings } from '../src/options.ts'
import { storageSettings } from '../src/options-storages.ts'
import { setEnvironment } from './helpers/environment.ts'
import { testFolder } from './helpers/folder.ts'

const [local, s3] = [new LocalStorage('/data/local'), new S3Storage({ bucket: 'some-bucket' })]
const refused = (message: RegExp): { code: string, message: RegExp } => ({ code: 'FST_SNAPSHOT_INVALID_OPTION', message })

t.test('without the option snapshots are local files, and in S3 as well where the environment names a bucket', async t => {
  setEnvironment(t)
  t.match(storageSettings(undefined, '/data'), [{ storage: { name: 'local' }, isRequired: true, keepLast: Infinity, maxAge: Infinity }])
  setEnvironment(t, { S3_BUCKET: 'from-env', S3_ENDPOINT: 'http://127.0.0.1:1' })
  const storages = storageSettings(undefined, '/data')
  t.match(storages, [{ storage: { name: 'local' }, isRequired: true }, { storage: { name: 's3' }, isRequired: false }])
  t.equal(storages.length, 2)
  t.equal(storageSettings(local, '/data')[0]?.storage, local, 'the option comes first')
})

t.test('a wrong bucket in the environment is told of at once', async t => {
  setEnvironment(t, { S3_BUCKET: 'not a bucket' })
  t.throws(() => storageSettings(undefined, '/data'), refused(/bucket/))
})

t.test('one storage, a list of them, and what is asked of each', async t => {
  t.match(storageSettings(s3, '/data'), [{ storage: s3, isRequired: true }])
  t.match(storageSettings([local, s3], '/data'), [{ storage: local, isRequired: true }, { storage: s3, isRequired: false }])
  t.match(storageSettings([{ storage: local, required: false, keepLast: 3, maxAge: 1000 }, { storage: s3, required: true }], '/data'), [{ isRequired: false, keepLast: 3, maxAge: 1000 }, { isRequired: true, keepLast: Infinity }])
  t.match(storageSettings([{ storage: local, required: undefined as unknown as boolean }], '/data'), [{ isRequired: true }])
})

t.test('what makes no sense is refused, naming the option', async t => {
  const database = '/data/app.db'
  const cases: Array<[unknown, RegExp]> = [
    [[], /"storage": it must be a storage, or a list of one or more storages/],
    ['s3', /"storage": it must be a storage/],
    [{}, /"storage": it has no method put/],
    [[local, {}], /"storage.1": it has no method put/],
    [[{ storage: local, keepLast: 0 }, s3], /"storage.0.keepLast": it must be a whole number of at least 1/],
    [[{ storage: local, keep: 1 }, s3], /"storage.0.keep": it is not known; known are storage, required, keepLast, maxAge/],
    [[local, new LocalStorage('/data/other')], /two storages have the name local/],
    [[{ storage: local, required: false }, s3], /none is required/],
    [[{ storage: local, keepLast: 1 }, { storage: s3, maxAge: 1 }], /one of them must keep all/],
    [new LocalStorage('/data', 'a b'), /its name "a b" must be/]
  ]
  for (const [storage, message] of cases) t.throws(() => snapshotSettings({ database, storage: storage as SnapshotStorage }), refused(message), String(message))
})

t.test('two storages in one place are refused, however it is named', async t => {
  const folder = testFolder(t)
  mkdirSync(join(folder, 'disk'))
  symlinkSync(join(folder, 'disk'), join(folder, 'link'))
  const s3At = (options: object): S3Storage => new S3Storage({ bucket: 'some-bucket', ...options })
  const [endpoint, client] = ['https://S3.example.com', { send: async () => {}, config: {} }]
  const twice: Array<[SnapshotStorage, SnapshotStorage]> = [
    [new LocalStorage(join(folder, 'disk')), new LocalStorage(join(folder, 'disk', '..', 'disk'), 'other')],
    [new LocalStorage(join(folder, 'disk', 'yet', 'to-be-made')), new LocalStorage(join(folder, 'link', 'yet', 'to-be-made'), 'other')],
    [s3At({}), s3At({ name: 'other', prefix: '/snapshots/', region: 'eu-central-1' })],
    [s3At({ endpoint, prefix: '' }), s3At({ name: 'other', endpoint: 'https://s3.example.com:443/', prefix: '/' })]
  ]
  for (const storages of twice) t.throws(() => storageSettings(storages, folder), refused(/"storage": (local|s3) and other are the same place, .+; give one of them/))
  const apart: Array<[SnapshotStorage, SnapshotStorage]> = [
    [new LocalStorage(join(folder, 'disk')), new LocalStorage(join(folder, 'disk2'), 'other')],
    [s3At({}), s3At({ name: 'other', prefix: 'others' })],
    [s3At({}), s3At({ name: 'other', bucket: 'some-other' })],
    [s3At({}), s3At({ name: 'other', endpoint })],
    [s3At({ client }), s3At({ name: 'other', client })]
  ]
  for (const storages of apart) t.equal(storageSettings(storages, folder).length, 2)
})
