import t from 'tap'
import { databasePrefix, manifestKey, manifestPrefix, marksKey, packKey } from '../../src/format/keys.ts'
import { checkKey, checkPrefix } from '../../src/storage/storage-key.ts'

const id = '01234567-89ab-cdef-0123-456789abcdef'

t.test('the parts of a snapshot stand where the stored form says', async t => {
  t.equal(packKey('app', id), `app/packs/${id}/data.zst`)
  t.equal(manifestKey('app', id), `app/snapshots/${id}.json`)
  t.equal(marksKey('app', id), `app/marks/${id}.json`)
})

t.test('prefixes are those of the keys and end at a slash, so that no database sees another', async t => {
  t.equal(databasePrefix('app'), 'app/')
  t.equal(manifestPrefix('app'), 'app/snapshots/')
  t.ok(manifestKey('app', id).startsWith(manifestPrefix('app')))
  t.notOk(manifestKey('app2', id).startsWith(databasePrefix('app')))
})

t.test('every storage takes the keys and prefixes, also with the longest name of a database', async t => {
  for (const database of ['app', 'x'.repeat(64), '_', '-']) {
    for (const key of [packKey(database, id), manifestKey(database, id), marksKey(database, id)]) t.equal(checkKey(key), key)
    for (const prefix of [databasePrefix(database), manifestPrefix(database)]) t.equal(checkPrefix(prefix), prefix)
  }
})
