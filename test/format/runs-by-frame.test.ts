import t from 'tap'
import { PageRuns, type PageMap, type PageRun } from '../../src/format/page-map.ts'
import { RunsByFrame } from '../../src/format/runs-by-frame.ts'

const frame = { pack: 0, number: 0, offset: 0, storedLength: 1, rawLength: 1, codec: 1, sha256: Buffer.alloc(32) }
const mapOf = (frames: number, runs: PageRun[]): Pick<PageMap, 'frames' | 'runs'> => ({ frames: Array.from({ length: frames }, () => frame), runs: PageRuns.of(runs) })

t.test('the runs of each frame come in the order of the image, and a frame without any is unused', async t => {
  const all = [
    { imagePage: 1, count: 1, frame: 2, framePage: 5 },
    { imagePage: 2, count: 3, frame: 0, framePage: 0 },
    { imagePage: 5, count: 1, frame: 2, framePage: 1 }
  ]
  const runs = new RunsByFrame(mapOf(4, all))
  t.same([0, 1, 2, 3].map(frame => [...runs.of(frame)]), [[all[1]], [], [all[0], all[2]], []])
  t.same([0, 1, 2, 3].map(frame => runs.isUsed(frame)), [true, false, true, false])
  t.equal(runs.isInImageOrder, false)
})

t.test('frames are in the order of the image where each begins behind the one before, whatever is unused', async t => {
  t.equal(new RunsByFrame(mapOf(3, [
    { imagePage: 1, count: 1, frame: 0, framePage: 1 },
    { imagePage: 2, count: 1, frame: 0, framePage: 0 },
    { imagePage: 3, count: 2, frame: 2, framePage: 0 }
  ])).isInImageOrder, true)
  t.equal(new RunsByFrame(mapOf(0, [])).isInImageOrder, true)
})
