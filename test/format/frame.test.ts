import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { CODECS, CODEC_ZSTD, compressFrame, decompressFrame, FRAME_BYTES, MAXIMUM_FRAME_BYTES, release } from '../../src/format/frame.ts'
import { flipBit } from '../helpers/format.ts'

t.test('a frame comes back as it was at any level', async t => {
  const raw = Buffer.concat([randomBytes(1000), Buffer.alloc(FRAME_BYTES - 1000, 'text ')])
  for (const level of [1, 3, 19]) {
    const stored = await compressFrame(raw, level)
    t.ok(stored.length < raw.length / 10, `level ${level} makes it smaller`)
    t.ok((await decompressFrame(stored, raw.length)).equals(raw))
  }
})

t.test('any bytes come back as they were', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 5000 }), async bytes => {
    return (await decompressFrame(await compressFrame(bytes, 1), bytes.length)).equals(bytes)
  }))
})

t.test('a changed bit never makes other bytes', async () => {
  const raw = Buffer.alloc(3000, 'some text that compresses, ')
  const stored = await compressFrame(raw, 1)
  await fc.assert(fc.asyncProperty(fc.nat(stored.length * 8 - 1), async bit => {
    const outcome = await decompressFrame(flipBit(stored, bit), raw.length).catch((error: Error) => error)
    return outcome instanceof Error || outcome.equals(raw)
  }), { numRuns: 2000 })
})

t.test('a frame that holds less than it should is refused by saying so', async t => {
  const stored = await compressFrame(Buffer.alloc(100), 1)
  await t.rejects(decompressFrame(stored, 101), { message: 'a frame holds 100 bytes instead of 101' })
})

t.test('a frame that holds more than it should is refused before it fills the memory', async t => {
  const stored = await compressFrame(Buffer.alloc(MAXIMUM_FRAME_BYTES), 1)
  t.ok(stored.length < 10_000)
  await t.rejects(decompressFrame(stored, 100), { code: 'ERR_BUFFER_TOO_LARGE' })
})

t.test('a cut frame is refused', async t => {
  const raw = randomBytes(200)
  const stored = await compressFrame(raw, 1)
  for (let length = 0; length < stored.length; length++) await t.rejects(decompressFrame(stored.subarray(0, length), raw.length))
})

t.test('bytes that are no frame are refused', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes => await decompressFrame(bytes, 200).catch(error => error) instanceof Error))
})

t.test('the memory of frames that are released is free at once', async t => {
  const raw = randomBytes(FRAME_BYTES)
  release(await compressFrame(raw, 1))
  const before = process.memoryUsage().arrayBuffers
  for (let number = 0; number < 20; number++) {
    const stored = await compressFrame(raw, 1)
    const back = await decompressFrame(stored, raw.length)
    t.ok(back.equals(raw))
    for (const frame of [stored, back]) release(frame)
  }
  t.ok(process.memoryUsage().arrayBuffers - before < 4 * FRAME_BYTES)
})

t.test('a frame in memory that it shares with others is left as it is', async t => {
  const small = Buffer.from('in the pool of all small buffers')
  release(small)
  t.equal(small.toString(), 'in the pool of all small buffers')
})

t.test('zstd is the one codec', async t => {
  t.same([...CODECS], [CODEC_ZSTD])
  t.equal(CODEC_ZSTD, 1, 'its number is stored, so it never changes')
})
