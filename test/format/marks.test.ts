import fc from 'fast-check'
import t from 'tap'
import { decodeMarks, encodeMarks, type Marks } from '../../src/format/marks.ts'

const sample: Marks = { revision: 3, pinned: true, labels: { reason: 'before the migration', 'a.b-c_D9': '' }, deletedAt: null }
const refused = { message: /does not match the expected schema/ }
const decode = (marks: unknown): Marks => decodeMarks(Buffer.from(JSON.stringify(marks)))

t.test('marks are read as they were written', async t => {
  t.same(decodeMarks(encodeMarks(sample)), sample)
  const deleted = { ...sample, deletedAt: '2026-11-22T10:00:00.000Z' }
  t.same(decodeMarks(encodeMarks(deleted)), deleted)
})

t.test('any label within the limits is read as it was written', async t => {
  const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/)
  const value = fc.string({ unit: 'binary', maxLength: 128 })
  fc.assert(fc.property(fc.dictionary(name, value, { maxKeys: 32 }), labels => {
    t.strictSame(Object.entries(decodeMarks(encodeMarks({ ...sample, labels })).labels), Object.entries(labels))
  }))
})

t.test('32 labels with names of 64 and values of 256 characters are accepted, one more of each is refused', async t => {
  const labels = (count: number, name = 62, value = 256) => Object.fromEntries(Array.from({ length: count }, (_, index) => [String(10 + index) + 'n'.repeat(name), 'v'.repeat(value)]))
  t.same(decode({ ...sample, labels: labels(32) }).labels, labels(32))
  t.throws(() => decode({ ...sample, labels: labels(33) }), refused)
  t.throws(() => decode({ ...sample, labels: labels(1, 63) }), refused)
  t.throws(() => decode({ ...sample, labels: labels(1, 62, 257) }), refused)
})

for (const name of ['', 'with space', 'slash/', 'ä', 'line\n']) {
  t.test(`a label named ${JSON.stringify(name)} is refused`, async t => {
    t.throws(() => decode({ ...sample, labels: { [name]: 'value' } }), refused)
  })
}

for (const change of [{ revision: 0 }, { revision: 1.5 }, { revision: '1' }, { pinned: 1 }, { pinned: undefined }, { labels: [] }, { labels: { number: 5 } }, { labels: null }, { deletedAt: 5 }, { deletedAt: undefined }]) {
  t.test(`marks with ${JSON.stringify(change)} ${Object.values(change).includes(undefined) ? `without ${Object.keys(change).join()} ` : ''}are refused`, async t => {
    t.throws(() => decode({ ...sample, ...change }), refused)
  })
}

t.test('marks that are cut or no marks at all are refused', async t => {
  const bytes = encodeMarks(sample)
  const body = bytes.indexOf('\n')
  for (let length = 0; length < bytes.length - 1; length++) if (length !== body && length !== body + 1) t.throws(() => decodeMarks(bytes.subarray(0, length)), Error)
  for (const text of ['null', '5', '[]', '{}', 'text']) t.throws(() => decodeMarks(Buffer.from(text)), Error)
})

t.test('a bit that is another is found, wherever it is', async t => {
  const bytes = encodeMarks({ ...sample, source: '01234567-89ab-4cde-8f01-23456789abcd' })
  for (let at = 0; at < bytes.length - 1; at++) {
    const wrong = Buffer.from(bytes)
    wrong.writeUInt8(wrong.readUInt8(at) ^ 1, at)
    t.throws(() => decodeMarks(wrong), Error, `at ${at}`)
  }
})

t.test('marks without a checksum, as somebody may have written them by hand, are read', async t => {
  t.same(decodeMarks(Buffer.from(JSON.stringify(sample) + '\n')), sample)
})

t.test('properties that only a newer package knows are no reason to refuse marks', async t => {
  t.match(decode({ ...sample, comment: 'new' }), sample)
})
