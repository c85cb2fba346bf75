import fc from 'fast-check'
import t from 'tap'
import { sha256, sha256Hex } from '../../src/format/checksum.ts'
import { decodeManifest, encodeManifest, packsNamed, type Manifest } from '../../src/format/manifest.ts'
import { attempt, flipBit, sampleManifest } from '../helpers/format.ts'

/** Stored bytes with a right checksum, whatever their body says. */
function sealed (body: unknown): Buffer {
  const line = JSON.stringify(body)
  return Buffer.from(`${line}\n${JSON.stringify({ sha256: sha256Hex(line), mac: null })}\n`)
}

t.test('digests are what sha256sum prints', async t => {
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  t.equal(sha256Hex('abc'), expected)
  t.equal(sha256Hex(Buffer.from('abc')), expected)
  t.equal(sha256().update('a').update('bc').digest('hex'), expected)
})

t.test('a manifest is read as it was written', async t => {
  const manifest = sampleManifest({ parent: '01234567-89ab-cdef-0123-456789abcdef', integrity: 'failed' })
  t.same(decodeManifest(encodeManifest(manifest)), manifest)
})

t.test('a manifest is one line of body and one line with the checksum of the first', async t => {
  const manifest = sampleManifest({ name: 'two\nlines' })
  const [body, checksum, ...rest] = encodeManifest(manifest).toString().split('\n')
  t.same(JSON.parse(String(body)), manifest)
  t.same(JSON.parse(String(checksum)), { sha256: sha256Hex(String(body)), mac: null })
  t.same(rest, [''], 'ended by a line feed')
})

t.test('any text is read as it was written', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string(), fc.nat({ max: 2 ** 52 }), (name, host, sequence) => {
    const manifest = sampleManifest({ name, sequence })
    manifest.source.host = host
    const read = decodeManifest(encodeManifest(manifest))
    return read.name === name && read.source.host === host && read.sequence === sequence
  }))
})

t.test('a changed bit never makes another manifest', async () => {
  const bytes = encodeManifest(sampleManifest({ name: 'ä\ufffd' }))
  const original = JSON.stringify(decodeManifest(bytes))
  fc.assert(fc.property(fc.nat(bytes.length * 8 - 1), bit => {
    const outcome = attempt(() => decodeManifest(flipBit(bytes, bit)))
    return 'error' in outcome || JSON.stringify(outcome.value) === original
  }), { numRuns: 2000 })
})

t.test('a changed bit in the body is refused', async () => {
  const bytes = encodeManifest(sampleManifest())
  fc.assert(fc.property(fc.nat(bytes.indexOf('\n') * 8 - 1), bit => {
    return 'error' in attempt(() => decodeManifest(flipBit(bytes, bit)))
  }), { numRuns: 2000 })
})

t.test('a manifest that is cut anywhere before its last line feed is refused', async t => {
  const bytes = encodeManifest(sampleManifest())
  for (let length = 0; length < bytes.length - 1; length++) {
    t.throws(() => decodeManifest(bytes.subarray(0, length)), { message: "the manifest's checksum line is cut or damaged" })
  }
})

t.test('bytes that are no manifest are refused with an Error', async t => {
  fc.assert(fc.property(fc.uint8Array(), bytes => 'error' in attempt(() => decodeManifest(Buffer.from(bytes)))))
  for (const checksumLine of ['null', '5', '"text"', '[]', '{}', '{"sha256":null}']) {
    t.throws(() => decodeManifest(Buffer.from(`{}\n${checksumLine}\n`)), /the manifest/)
  }
})

t.test('a wrong checksum is refused', async t => {
  const [body] = encodeManifest(sampleManifest()).toString().split('\n')
  const bytes = Buffer.from(`${body}\n{"sha256":"${'0'.repeat(64)}","mac":null}\n`)
  t.throws(() => decodeManifest(bytes), { message: 'the checksum of the manifest does not match' })
})

for (const body of ['null', '"text"', '{"cut":', '']) {
  t.test(`a body of ${JSON.stringify(body)} with a right checksum is refused`, async t => {
    const bytes = Buffer.from(`${body}\n{"sha256":"${sha256Hex(body)}"}\n`)
    t.throws(() => decodeManifest(bytes), { message: "the manifest's body is cut or damaged" })
  })
}

t.test('a newer format version is refused by naming it, whatever else has changed in it', async t => {
  t.throws(() => decodeManifest(sealed({ formatVersion: 2, somethingNew: true })),
    { message: 'the manifest has format version 2, this package reads up to 1; update fastify-sqlite-snapshots' })
})

t.test('an unknown required feature is refused by naming it', async t => {
  t.throws(() => decodeManifest(encodeManifest(sampleManifest({ required: ['holes', 'colours'] }))),
    { message: 'the snapshot requires holes, colours; update fastify-sqlite-snapshots' })
})

t.test('an unknown codec of the page map is refused by naming it', async t => {
  const { map } = sampleManifest()
  t.throws(() => decodeManifest(encodeManifest(sampleManifest({ map: { ...map, codec: 9 } }))),
    { message: 'the page map uses codec 9; update fastify-sqlite-snapshots' })
})

t.test('an image whose size is not pages times page size is refused', async t => {
  const { image } = sampleManifest()
  t.throws(() => decodeManifest(encodeManifest(sampleManifest({ image: { ...image, size: 8191 } }))),
    { message: 'the manifest contradicts itself about the size of the image' })
})

t.test('properties that only a newer package knows are no reason to refuse a manifest', async t => {
  const manifest = sampleManifest()
  t.match(decodeManifest(sealed({ ...manifest, comment: 'new' })), { id: manifest.id })
})

t.test('a missing property is refused by naming it', async t => {
  for (const property of Object.keys(sampleManifest())) {
    const manifest: Partial<Manifest> = sampleManifest()
    delete manifest[property as keyof Manifest]
    t.throws(() => decodeManifest(sealed(manifest)), { message: new RegExp(`not valid: /${property} `) })
  }
})

const wrong: Array<[string, (manifest: Manifest) => void]> = [
  ['/formatVersion', manifest => { manifest.formatVersion = 0 as 1 }],
  ['/id', manifest => { manifest.id = '../../../etc/passwd' }],
  ['/source/id', manifest => { manifest.source.id = manifest.id.toUpperCase() + 'A' }],
  ['/sequence', manifest => { manifest.sequence = -1 }],
  ['/sequence', manifest => { manifest.sequence = 2 ** 52 + 1 }],
  ['/parent', manifest => { manifest.parent = 'none' }],
  ['/integrity', manifest => { manifest.integrity = 'perhaps' as 'ok' }],
  ['/image/checksum', manifest => { manifest.image.checksum = 'abc' }],
  ['/image/checksumAlgorithm', manifest => { manifest.image.checksumAlgorithm = 'md5' as 'sha256' }],
  ['/image/pageCount', manifest => { manifest.image.pageCount = 2 ** 60 }],
  ['/sqlite/userVersion', manifest => { manifest.sqlite.userVersion = 1.5 }],
  ['/packs/0/id', manifest => { manifest.packs[0] = { id: 'a/b', bytes: 1, keyId: null, wrappedKey: null } }],
  ['/map/offset', manifest => { manifest.map.offset = 0.5 }],
  ['/map/storedLength', manifest => { manifest.map.storedLength = 2 ** 40 }],
  ['/map/rawLength', manifest => { manifest.map.rawLength = 2 ** 40 }],
  ['/map/rawLength', manifest => { manifest.map.rawLength = 0 }]
]
for (const [path, change] of wrong) {
  t.test(`a wrong value of ${path} is refused by naming it`, async t => {
    const manifest = sampleManifest()
    change(manifest)
    t.throws(() => decodeManifest(encodeManifest(manifest)), { message: new RegExp(`^the manifest is not valid: ${path} `) })
  })
}

t.test('a manifest names the packs it needs, of whatever version it is; its parent is none of them', async t => {
  const [needed, parent, other] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222', '33333333-3333-4333-8333-333333333333']
  const bytes = sealed({ formatVersion: 99, parent, packs: [{ id: needed, bytes: 1 }] })
  t.same(packsNamed(bytes, [needed, parent, other]), [needed])
  t.same(packsNamed(sealed({ packs: [], later: { elsewhere: other } }), [needed, other]), [other], 'wherever it stands')
  t.throws(() => packsNamed(sealed({ packs: 'none' }), [needed]), /does not list its packs/)
})
