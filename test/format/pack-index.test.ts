import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { decodePackIndex, encodePackIndex, FRAME_ENTRY_BYTES, readFrameEntry, writeFrameEntry, type PackedFrame } from '../../src/format/pack-index.ts'
import { anyFrames, attempt, flipBit } from '../helpers/format.ts'

const frames: PackedFrame[] = [0, 1, 2].map(number => ({ number, offset: number * 1000, storedLength: 1000, rawLength: 4096, codec: 1, sha256: Buffer.alloc(32, number) }))

/** An index whose digest is right, with other bytes in it. */
function sealedWith (change: (payload: Buffer) => void): Buffer {
  const bytes = encodePackIndex(frames)
  const payload = bytes.subarray(8)
  change(payload)
  const end = payload.length - 40
  createHash('sha256').update(payload.subarray(0, end)).digest().copy(payload, end)
  return bytes
}

t.test('an index is read as it was written', async t => {
  fc.assert(fc.property(anyFrames, frames => { t.same(decodePackIndex(encodePackIndex(frames)), frames) }))
})

t.test('an index is found at the end of a pack', async t => {
  const pack = Buffer.concat([Buffer.alloc(5000, 7), encodePackIndex(frames)])
  t.same(decodePackIndex(pack), frames)
  t.same(decodePackIndex(pack.subarray(3000)), frames)
})

t.test('an index without frames is read as it was written', async t => {
  t.same(decodePackIndex(encodePackIndex([])), [])
})

t.test('a frame takes the bytes that FRAME_ENTRY_BYTES says', async t => {
  const bytes = Buffer.alloc(FRAME_ENTRY_BYTES + 20, 0xee)
  const frame = { number: 4, offset: 2 ** 50, storedLength: 2 ** 31, rawLength: 2 ** 30, codec: 200, sha256: Buffer.alloc(32, 1) }
  writeFrameEntry(bytes, 10, frame)
  t.same(readFrameEntry(bytes, 10, 4), frame)
  t.same(bytes.subarray(0, 10), Buffer.alloc(10, 0xee))
  t.same(bytes.subarray(-10), Buffer.alloc(10, 0xee))
})

t.test('a changed bit never makes another index', async t => {
  const bytes = encodePackIndex(frames)
  fc.assert(fc.property(fc.nat(bytes.length * 8 - 1), bit => {
    const outcome = attempt(() => decodePackIndex(flipBit(bytes, bit)))
    if ('value' in outcome) t.same(outcome.value, frames)
  }), { numRuns: 3000 })
})

t.test('random bytes are refused with an Error, even where they end like an index', async () => {
  const ending = encodePackIndex([]).subarray(-4)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, length) => {
    const lengthBytes = Buffer.alloc(4)
    lengthBytes.writeUInt32LE(length)
    return 'error' in attempt(() => decodePackIndex(Buffer.from(bytes))) &&
      'error' in attempt(() => decodePackIndex(Buffer.concat([bytes, lengthBytes, ending])))
  }), { numRuns: 1000 })
})

t.test('a pack that ends before or behind its index has none', async t => {
  const bytes = encodePackIndex(frames)
  for (const damaged of [Buffer.alloc(0), bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.alloc(1)])]) {
    t.throws(() => decodePackIndex(damaged), { message: 'the pack has no index' })
  }
})

t.test('too few bytes of a pack are refused by saying how many are needed', async t => {
  const bytes = encodePackIndex(frames)
  t.throws(() => decodePackIndex(bytes.subarray(1)), { message: `the pack's index needs its last ${bytes.length} bytes` })
})

t.test('a changed frame, a changed digest and a length that is too small are refused', async t => {
  for (const change of [
    (bytes: Buffer) => { bytes.writeUInt32LE(1, 8 + 12) },
    (bytes: Buffer) => { bytes[bytes.length - 40] = bytes[bytes.length - 40] as number ^ 1 },
    (bytes: Buffer) => { bytes.writeUInt32LE(52, bytes.length - 8) },
    (bytes: Buffer) => { bytes.writeUInt32LE(0, bytes.length - 8) }
  ]) {
    const bytes = encodePackIndex(frames)
    change(bytes)
    t.throws(() => decodePackIndex(bytes), { message: "the pack's index is damaged" })
  }
})

t.test('a newer version is refused by naming it', async t => {
  t.throws(() => decodePackIndex(sealedWith(payload => { payload.writeUInt32LE(2, 4) })),
    { message: "the pack's index has version 2; update fastify-sqlite-snapshots" })
})

t.test('a count of more frames than there are is refused', async t => {
  t.throws(() => decodePackIndex(sealedWith(payload => { payload.writeUInt32LE(0xffffff, 8) })), Error)
})
