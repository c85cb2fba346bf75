import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { reuseLiveFrames } from '../../../src/engine/stage/reuse-live-frames.ts'
import { compressFrame } from '../../../src/format/frame.ts'
import { PageRuns, type MappedFrame } from '../../../src/format/page-map.ts'
import { RunsByFrame } from '../../../src/format/runs-by-frame.ts'
import { makeDatabase } from '../../helpers/databases.ts'
import { testFolder } from '../../helpers/folder.ts'

const PAGE = 4096

t.test('a frame whose pages are here and there in the image is found, one with a page that the image does not use is not', async t => {
  const path = join(testFolder(t), 'app.db')
  makeDatabase(path, { journalMode: 'delete' }).close()
  const image = readFileSync(path)
  const page = (number: number): Buffer => image.subarray((number - 1) * PAGE, number * PAGE)
  const frames: MappedFrame[] = []
  for (const pages of [[3, 1], [2, 4]]) {
    const stored = await compressFrame(Buffer.concat(pages.map(page)), 1)
    frames.push({ pack: 0, number: frames.length, offset: 0, storedLength: stored.length, rawLength: 2 * PAGE, codec: 1, sha256: createHash('sha256').update(stored).digest() })
  }
  const pageMap = {
    packs: ['pack'],
    frames,
    runs: PageRuns.of([{ imagePage: 1, count: 1, frame: 0, framePage: 1 }, { imagePage: 2, count: 1, frame: 1, framePage: 0 }, { imagePage: 3, count: 1, frame: 0, framePage: 0 }])
  }
  const placed: Array<[number, Buffer]> = []
  const place = async (frame: number, raw: Buffer): Promise<void> => { placed.push([frame, raw]) }
  const live = { target: { path, lockTimeoutMs: 0 }, level: 1 }
  t.same(await reuseLiveFrames(live, pageMap, new RunsByFrame(pageMap), PAGE, place), new Set([0]))
  t.same(placed, [[0, Buffer.concat([page(3), page(1)])]])

  const failing = async (): Promise<void> => { throw new Error('the disk is full') }
  t.same(await reuseLiveFrames(live, pageMap, new RunsByFrame(pageMap), PAGE, failing), new Set(), 'and one that cannot be kept is not')
})
