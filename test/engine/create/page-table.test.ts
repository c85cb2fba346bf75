import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { PageTable } from '../../../src/engine/create/page-table.ts'
import { decodePageMap, encodePageMap, PageRuns, type PageMap } from '../../../src/format/page-map.ts'

const PAGE = 512
const PAGES_IN_FRAME = 4

/** Where each page is stored, written out. */
function placesIn ({ packs, frames, runs }: PageMap): string[] {
  return [...runs].flatMap(({ count, frame, framePage }) => Array.from({ length: count }, (_, page) => {
    const { pack, number } = frames[frame]!
    return `${packs[pack]} ${number} ${framePage + page}`
  }))
}

const framesFor = (pages: number): PageMap['frames'] => Array.from({ length: Math.ceil(pages / PAGES_IN_FRAME) }, (_, number) => ({
  pack: 0, number, offset: number * 100, storedLength: 100, rawLength: Math.min(PAGES_IN_FRAME, pages - number * PAGES_IN_FRAME) * PAGE, codec: 1, sha256: Buffer.alloc(32, number)
}))

t.test('whatever pages are moved, each is where it was moved to last, and the map is a sound one', async t => {
  const step = fc.record({ pageCount: fc.integer({ min: 1, max: 40 }), moved: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }) })
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), steps => {
    let map: PageMap | undefined
    let model: Array<string | undefined> = []
    for (const { pageCount, moved } of steps) {
      const table = new PageTable(pageCount, map)
      model = Array.from({ length: pageCount }, (_, page) => model[page])
      const moving = Array.from({ length: pageCount }, (_, page) => page + 1).filter(page => model[page - 1] === undefined || moved.includes(page))
      const pack = randomUUID()
      moving.forEach((page, index) => { model[page - 1] = `${pack} ${Math.floor(index / PAGES_IN_FRAME)} ${index % PAGES_IN_FRAME}` })
      table.move(moving, pack, framesFor(moving.length), PAGE)
      const { map: next, liveBytes } = table.toMap(PAGE)
      t.same(placesIn(next), model)
      t.same(placesIn(decodePageMap(encodePageMap(next), { pageSize: PAGE, pageCount })), model)
      t.same([...liveBytes.keys()].sort(), [...new Set(model.map(place => place?.split(' ')[0]))].sort(), 'every pack in use and no other')
      t.equal(next.packs.length, liveBytes.size)
      map = next
    }
  }), { numRuns: 200 })
})

t.test('a pack is in use by as many of its bytes as its pages in use take', async t => {
  const [old, young] = [randomUUID(), randomUUID()]
  const whole = new PageTable(8)
  whole.move([1, 2, 3, 4, 5, 6, 7, 8], old, framesFor(8), PAGE)
  const table = new PageTable(8, whole.toMap(PAGE).map)
  table.move([2, 3, 4], young, framesFor(3), PAGE)
  t.same([...table.toMap(PAGE).liveBytes], [[old, 125], [young, 100]])
})

t.test('neighbouring pages make one run, also over many frames that hold one each', async t => {
  const table = new PageTable(6)
  table.move([1, 2, 3, 4, 5, 6], randomUUID(), framesFor(6), PAGE)
  t.same([...table.toMap(PAGE).map.runs], [{ imagePage: 1, count: 4, frame: 0, framePage: 0 }, { imagePage: 5, count: 2, frame: 1, framePage: 0 }])
})

t.test('an image without pages has an empty map', async t => {
  t.same(new PageTable(0, { packs: [randomUUID()], frames: framesFor(4), runs: PageRuns.of([{ imagePage: 1, count: 4, frame: 0, framePage: 0 }]) }).toMap(PAGE).map, { packs: [], frames: [], runs: PageRuns.of([]) })
})
