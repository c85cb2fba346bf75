import type Database from 'better-sqlite3'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Engine } from '../../../src/engine/engine.ts'
import type { PackRange } from '../../../src/engine/messages.ts'
import { inspectAnyhow, type StageImageInput, type StageImageResult } from '../../../src/engine/stage/stage-image.ts'
import { sha256Hex, writePageDigests } from '../../../src/format/checksum.ts'
import { compressFrame } from '../../../src/format/frame.ts'
import { encodePageMap, PageRuns, type PageMap, type PageRun } from '../../../src/format/page-map.ts'
import { testFolder } from '../../helpers/folder.ts'

const PACKS = ['01234567-89ab-4cde-8f01-23456789abcd', '76543210-89ab-4cde-8f01-23456789abcd']
const PAGE = 4096

/** An image of pages, each filled with a number: which frame of which pack has which, and where each is taken from. */
interface Image { frames: Array<{ pack: number, pages: number[] }>, runs: PageRun[], algorithm?: 'sha256' | 'sha256-tree', checksum?: string, keep?: StageImageInput['keep'] }

const run = (imagePage: number, count: number, frame: number, framePage: number): PageRun => ({ imagePage, count, frame, framePage })

/** The frames stand in their packs one after the other. */
async function store (frames: Image['frames']): Promise<{ map: Pick<PageMap, 'packs' | 'frames'>, packs: Buffer[] }> {
  const packs = PACKS.map(() => Buffer.alloc(0))
  const stored: PageMap['frames'] = []
  for (const { pack, pages } of frames) {
    const bytes = await compressFrame(Buffer.concat(pages.map(page => Buffer.alloc(PAGE, page))), 1)
    const begun = packs[pack] as Buffer
    stored.push({ pack, number: stored.filter(frame => frame.pack === pack).length, offset: begun.length, storedLength: bytes.length, rawLength: pages.length * PAGE, codec: 1, sha256: createHash('sha256').update(bytes).digest() })
    packs[pack] = Buffer.concat([begun, bytes])
  }
  return { map: { packs: PACKS, frames: stored }, packs }
}

function checksumOf (image: Buffer, algorithm: 'sha256' | 'sha256-tree'): string {
  if (algorithm === 'sha256') return sha256Hex(image)
  const digests = Buffer.alloc(image.length / PAGE * 32)
  writePageDigests(image, PAGE, digests, 0)
  return sha256Hex(digests)
}

async function stage (t: Test, { frames, runs, algorithm = 'sha256', checksum, keep = 'not' }: Image): Promise<StageImageResult & { image: Buffer, staged: () => Buffer, ranges: PackRange[] }> {
  const { map, packs } = await store(frames)
  const image = Buffer.concat(runs.map(({ count, frame, framePage }) => Buffer.concat(frames[frame]?.pages.slice(framePage, framePage + count).map(page => Buffer.alloc(PAGE, page)) ?? [])))
  const rawMap = encodePageMap({ ...map, runs: PageRuns.of(runs) })
  const storedMap = await compressFrame(rawMap, 1)
  const file = join(testFolder(t), 'staged.db')
  let ranges: PackRange[] = []
  const engine = new Engine('stage-image', {
    manifest: {
      image: { pageSize: PAGE, pageCount: image.length / PAGE, size: image.length, checksum: checksum ?? checksumOf(image, algorithm), checksumAlgorithm: algorithm },
      map: { pack: PACKS[0] as string, offset: 0, storedLength: storedMap.length, rawLength: rawMap.length, sha256: sha256Hex(storedMap), codec: 1 }
    },
    file,
    keep,
    check: keep !== 'not',
    packFiles: null,
    live: null
  }, {
    onEvent: event => {
      ranges = event.ranges
      engine.input.write(Buffer.concat(ranges.map(({ pack, offset, length }) => (packs[PACKS.indexOf(pack)] as Buffer).subarray(offset, offset + length))))
    }
  })
  engine.input.write(storedMap)
  const result = await engine.result
  return { ...result, image, staged: () => readFileSync(file), ranges }
}

const inOrder: Image = { frames: [{ pack: 0, pages: [1, 2] }, { pack: 0, pages: [3, 4] }], runs: [run(1, 2, 0, 0), run(3, 2, 1, 0)] }
/** Two packs, a frame that comes later in the image than one behind it, pages here and there, some that nothing uses, and a frame that nothing uses. */
const scattered: Image = {
  frames: [{ pack: 1, pages: [5, 99, 3] }, { pack: 0, pages: [98, 97] }, { pack: 0, pages: [1, 2, 96, 4] }, { pack: 0, pages: [6, 6] }],
  runs: [run(1, 2, 2, 0), run(3, 1, 0, 2), run(4, 1, 2, 3), run(5, 1, 0, 0), run(6, 2, 3, 0)]
}

t.test('neighbouring frames are asked for at once, and unused ones not at all', async t => {
  const { map: { frames: [first, second] } } = await store(inOrder.frames)
  t.same((await stage(t, inOrder)).ranges, [{ pack: PACKS[0], offset: 0, length: Number(first?.storedLength) + Number(second?.storedLength) }])
  const { map: { frames: [other, unused, used, last] } } = await store(scattered.frames)
  t.same((await stage(t, scattered)).ranges, [
    { pack: PACKS[1], offset: 0, length: other?.storedLength },
    { pack: PACKS[0], offset: unused?.storedLength, length: Number(used?.storedLength) + Number(last?.storedLength) }
  ])
})

for (const [what, image] of Object.entries({ 'frames in the order of the image': inOrder, 'frames in any order, packs and places': scattered })) {
  for (const algorithm of ['sha256', 'sha256-tree'] as const) {
    t.test(`${what}, ${algorithm}: the image is put together`, async t => {
      const { staged, image: expected } = await stage(t, { ...image, algorithm, keep: 'for now' })
      t.ok(staged().equals(expected))
    })

    t.test(`${what}, ${algorithm}: it is verified without keeping it`, async t => {
      const { errors, mapped } = await stage(t, { ...image, algorithm })
      t.same(errors, [])
      t.match(mapped, { packs: PACKS, frames: { length: image.frames.length } })
      t.same(readdirSync(t.testdirName), [])
    })

    t.test(`${what}, ${algorithm}: what is good frame by frame but together another image is refused`, async t => {
      await t.rejects(stage(t, { ...image, algorithm, checksum: sha256Hex('another image') }), { code: 'FST_SNAPSHOT_DAMAGED', message: /does not match its checksum/ })
      t.same(readdirSync(t.testdirName), [])
    })
  }
}

t.test('a staged image that is no sound database is reported, and whoever asked decides', async t => {
  t.match(await stage(t, { ...inOrder, keep: 'for now' }), { errors: [/not a database/], mapped: null })
})

t.test('damage that ends the check is what it found, and a disk that fails is no damage', async t => {
  const failing = (code: string): Database.Database => ({ pragma () { throw Object.assign(new Error(code), { code }) }, prepare () { return { pluck: () => ({ all: () => [] }), all: () => [] } } }) as unknown as Database.Database
  t.same(inspectAnyhow(failing('SQLITE_CORRUPT')), ['SQLITE_CORRUPT'])
  for (const code of ['SQLITE_IOERR_READ', 'SQLITE_FULL', 'SQLITE_CANTOPEN']) t.throws(() => inspectAnyhow(failing(code)), { code })
})
