import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { Engine } from '../../src/engine/engine.ts'
import type { StageImageResult } from '../../src/engine/stage-image.ts'
import { sha256Hex } from '../../src/format/checksum.ts'
import { compressFrame } from '../../src/format/frame.ts'
import { encodePageMap, PageRuns, type PageMap } from '../../src/format/page-map.ts'

const PACK = '01234567-89ab-4cde-8f01-23456789abcd'
const PAGE = 4096

/** Stages an image of two pages in two frames, with a map and a checksum of one's own. */
async function stage (t: Test, { order = [0, 1], checksum }: { order?: number[], checksum?: string }): Promise<StageImageResult> {
  const pages = [Buffer.alloc(PAGE, 1), Buffer.alloc(PAGE, 2)]
  const stored = await Promise.all(pages.map(async page => await compressFrame(page, 1)))
  let offset = 0
  const frames = stored.map((bytes, number) => {
    const frame = { pack: 0, number, offset, storedLength: bytes.length, rawLength: PAGE, codec: 1, sha256: createHash('sha256').update(bytes).digest() }
    offset += bytes.length
    return frame
  })
  const map: PageMap = { packs: [PACK], frames, runs: PageRuns.of(order.map((frame, index) => ({ imagePage: index + 1, count: 1, frame, framePage: 0 }))) }
  const rawMap = encodePageMap(map)
  const storedMap = await compressFrame(rawMap, 1)
  const image = { pageSize: PAGE, pageCount: 2, size: 2 * PAGE, checksum: checksum ?? sha256Hex(Buffer.concat(order.map(index => pages[index] as Buffer))), checksumAlgorithm: 'sha256' as const }
  const engine = new Engine('stage-image', {
    manifest: { image, map: { pack: PACK, offset, storedLength: storedMap.length, rawLength: rawMap.length, sha256: sha256Hex(storedMap), codec: 1 } },
    file: null
  }, {
    onEvent: ({ ranges }) => {
      t.same(ranges, [{ pack: PACK, offset: 0, length: offset }], 'neighbouring frames are asked for at once')
      engine.input.end(Buffer.concat(stored))
    }
  })
  engine.input.write(storedMap)
  return await engine.result
}

t.test('frames in the order of the image are accepted', async t => {
  t.same(await stage(t, {}), { errors: [] })
})

t.test('frames in another order than the image, which this version does not write, are refused', async t => {
  await t.rejects(stage(t, { order: [1, 0] }), { code: 'FST_SNAPSHOT_DAMAGED', message: /not in the order of the image/ })
})

t.test('frames that are good each but together another image are refused', async t => {
  await t.rejects(stage(t, { checksum: sha256Hex('another image') }), { code: 'FST_SNAPSHOT_DAMAGED', message: /does not match its checksum/ })
})
