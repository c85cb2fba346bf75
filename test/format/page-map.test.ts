import fc from 'fast-check'
import t from 'tap'
import { decodePageMap, encodePageMap, PageRuns, type PageMap, type PageRun } from '../../src/format/page-map.ts'
import { attempt, flipBit, sampleMap } from '../helpers/format.ts'

const image = { pageSize: 512, pageCount: 4 }
const MAXIMUM = 64 * 1024 * 1024

/** Whether following a map stays inside the image and its frames and gives each page once. */
function isSafe ({ packs, frames, runs }: PageMap, { pageSize, pageCount }: typeof image): boolean {
  const pages: number[] = []
  for (const { imagePage, count, frame, framePage } of runs) {
    const from = frames[frame]
    if (from === undefined || (framePage + count) * pageSize > from.rawLength) return false
    for (let page = 0; page < count; page++) pages.push(imagePage + page)
  }
  return pages.length === pageCount && pages.every((page, index) => page === index + 1) &&
    frames.every(frame => packs[frame.pack] !== undefined && frame.rawLength <= MAXIMUM && frame.storedLength <= 2 * MAXIMUM)
}

/** For comparing: a map with its runs written out. */
const plain = ({ runs, ...map }: PageMap): object => ({ ...map, runs: [...runs] })

function encodedWith (change: (map: Omit<PageMap, 'runs'> & { runs: PageRun[] }) => void): Buffer {
  const map = { ...sampleMap(), runs: [...sampleMap().runs] }
  change(map)
  return encodePageMap({ ...map, runs: PageRuns.of(map.runs) })
}

t.test('a map is read as it was written', async t => {
  const map = sampleMap()
  t.same(plain(decodePageMap(encodePageMap(map), image)), plain(map))
})

t.test('the map of an image without pages is read as it was written', async t => {
  const map = { packs: [], frames: [], runs: PageRuns.of([]) }
  t.same(plain(decodePageMap(encodePageMap(map), { pageSize: 4096, pageCount: 0 })), plain(map))
})

t.test('any sound map is read as it was written', async t => {
  const anyFrame = fc.record({
    pack: fc.constant(0),
    number: fc.nat(0xffffffff),
    offset: fc.maxSafeNat(),
    storedLength: fc.nat(2 * MAXIMUM),
    rawLength: fc.nat({ max: 100 }).map(pages => (pages + 1) * image.pageSize),
    codec: fc.constant(1),
    sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => Buffer.from(bytes))
  })
  fc.assert(fc.property(fc.uuid(), fc.array(anyFrame, { minLength: 1, maxLength: 20 }), (pack, frames) => {
    let imagePage = 1
    const runs = frames.map(({ rawLength }, frame) => {
      const run = { imagePage, count: rawLength / image.pageSize, frame, framePage: 0 }
      imagePage += run.count
      return run
    })
    const map = { packs: [pack], frames, runs: PageRuns.of(runs) }
    t.same(plain(decodePageMap(encodePageMap(map), { pageSize: image.pageSize, pageCount: imagePage - 1 })), plain(map))
  }), { numRuns: 50 })
})

t.test('random bytes are refused with an Error', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
    const outcome = attempt(() => decodePageMap(Buffer.from(bytes), image))
    return 'error' in outcome && outcome.error.message === 'the page map is not one'
  }))
})

t.test('random bytes behind a sound header are refused, or make a map that leaves neither image nor frames', async () => {
  const header = encodePageMap({ packs: [], frames: [], runs: PageRuns.of([]) }).subarray(0, 8)
  const counts = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(3))
  fc.assert(fc.property(counts, fc.infiniteStream(fc.oneof(fc.nat(3), fc.nat(255))), ([packs, frames, runs], noise) => {
    const rest = Buffer.alloc(12 + packs * 36 + frames * 57 + runs * 16)
    rest.forEach((_, at) => { rest[at] = noise.next().value as number })
    ;[packs, frames, runs].forEach((count, index) => { rest.writeUInt32LE(count, index * 4) })
    const outcome = attempt(() => decodePageMap(Buffer.concat([header, rest]), image))
    return 'error' in outcome || isSafe(outcome.value, image)
  }), { numRuns: 2000 })
})

t.test('counts of more than the bytes there are, are refused before anything is made of them', async t => {
  const bytes = encodedWith(() => {})
  for (const at of [8, 12, 16]) {
    const damaged = Buffer.from(bytes)
    damaged.writeUInt32LE(0xffffffff, at)
    t.throws(() => decodePageMap(damaged, image), { message: 'the page map has a wrong length' })
  }
})

t.test('changed bits are refused, or make a map that leaves neither image nor frames', async () => {
  const bytes = encodePageMap(sampleMap())
  fc.assert(fc.property(fc.array(fc.nat(bytes.length * 8 - 1), { minLength: 1, maxLength: 3 }), bits => {
    const damaged = bits.reduce(flipBit, bytes)
    const outcome = attempt(() => decodePageMap(damaged, image))
    return 'error' in outcome || isSafe(outcome.value, image)
  }), { numRuns: 5000 })
})

t.test('a cut map and a longer one are refused', async t => {
  const bytes = encodePageMap(sampleMap())
  for (let length = 0; length < bytes.length; length++) t.throws(() => decodePageMap(bytes.subarray(0, length), image), /^the page map/)
  t.throws(() => decodePageMap(Buffer.concat([bytes, Buffer.alloc(1)]), image), { message: 'the page map has a wrong length' })
})

t.test('a newer version is refused by naming it', async t => {
  const bytes = encodePageMap(sampleMap())
  bytes.writeUInt32LE(2, 4)
  t.throws(() => decodePageMap(bytes, image), { message: 'the page map has version 2; update fastify-sqlite-snapshots' })
})

const wrong: Array<[string, string, (map: Omit<PageMap, 'runs'> & { runs: PageRun[] }) => void]> = [
  ['a frame in a pack that is not listed', 'the page map names a pack that it does not list', map => { map.frames[1]!.pack = 2 }],
  ['a frame of an unknown codec', 'the page map uses codec 2; update fastify-sqlite-snapshots', map => { map.frames[1]!.codec = 2 }],
  ['a frame that would fill the memory', 'the page map has a frame of an impossible size', map => { map.frames[1]!.rawLength = MAXIMUM + 1 }],
  ['a frame of too many stored bytes', 'the page map has a frame of an impossible size', map => { map.frames[1]!.storedLength = 2 * MAXIMUM + 1 }],
  ['a run in a frame that is not listed', 'the page map points outside a frame for page 2', map => { map.runs[1]!.frame = 2 }],
  ['a run that leaves its frame', 'the page map points outside a frame for page 2', map => { map.runs[1]!.framePage = 1 }],
  ['a run that starts far outside its frame', 'the page map points outside a frame for page 1', map => { map.runs[0]!.framePage = 0xffffffff }],
  ['a run without pages', 'the page map does not hold page 1 exactly once', map => { map.runs[0]!.count = 0 }],
  ['a page that is there twice', 'the page map does not hold page 4 exactly once', map => { map.runs[2]!.imagePage = 3 }],
  ['a gap', 'the page map does not hold page 2 exactly once', map => { map.runs[1]!.imagePage = 3 }],
  ['a missing end', 'the page map holds 3 pages instead of 4', map => { map.runs.pop() }],
  ['a page too many', 'the page map holds 5 pages instead of 4', map => { map.runs.push({ imagePage: 5, count: 1, frame: 0, framePage: 0 }) }]
]
for (const [what, message, change] of wrong) {
  t.test(`a map with ${what} is refused`, async t => {
    t.throws(() => decodePageMap(encodedWith(change), image), { message })
  })
}

t.test('frames of exactly the largest sizes are accepted', async t => {
  const bytes = encodedWith(map => { Object.assign(map.frames[1]!, { rawLength: MAXIMUM, storedLength: 2 * MAXIMUM }) })
  t.equal(decodePageMap(bytes, image).frames[1]?.rawLength, MAXIMUM)
})
