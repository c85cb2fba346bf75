import { PageRuns, type MappedFrame, type PageMap } from '../../format/page-map.ts'

/** Where each page of an image is stored, page by page, so that single ones can be moved. */
export class PageTable {
  readonly #packs: string[]
  readonly #frames: MappedFrame[]
  /** By page, from 0: position of its frame, from 1, and its place in that; 0 for a page that is stored nowhere yet. */
  readonly #frameOf: Uint32Array
  readonly #framePageOf: Uint32Array

  /** @param map of another image, of which the pages that this one has too are taken over */
  constructor (pageCount: number, map: PageMap = { packs: [], frames: [], runs: PageRuns.of([]) }) {
    this.#packs = [...map.packs]
    this.#frames = [...map.frames]
    this.#frameOf = new Uint32Array(pageCount)
    this.#framePageOf = new Uint32Array(pageCount)
    for (const { imagePage, count, frame, framePage } of map.runs) {
      const last = Math.min(imagePage + count, pageCount + 1)
      for (let page = imagePage; page < last; page++) this.#place(page, frame, framePage + page - imagePage)
    }
  }

  /** Lets pages be stored in new frames of a pack: the first of them fills the frames' beginning, the next follows. */
  move (pages: Iterable<number>, pack: string, frames: Array<Omit<MappedFrame, 'pack'>>, pageSize: number): void {
    const packIndex = this.#packs.push(pack) - 1
    let [index, framePage] = [this.#frames.length, 0]
    for (const frame of frames) this.#frames.push({ ...frame, pack: packIndex })
    for (const page of pages) {
      if (framePage * pageSize === this.#frames[index]?.rawLength) [index, framePage] = [index + 1, 0]
      this.#place(page, index, framePage++)
    }
  }

  /** The map in its shortest form, and how many of each pack's bytes it needs, about: a frame's by its pages in use. */
  toMap (pageSize: number): { map: PageMap, liveBytes: Map<string, number> } {
    const runs = this.#runs()
    const pagesIn = new Map<number, number>()
    for (const { frame, count } of runs) pagesIn.set(frame, (pagesIn.get(frame) ?? 0) + count)
    const framesUsed = [...pagesIn.keys()].sort((a, b) => a - b)
    const frames = framesUsed.map(frame => this.#frames[frame] as MappedFrame)
    const packsUsed = [...new Set(frames.map(({ pack }) => pack))]
    const liveBytes = new Map(packsUsed.map(pack => [this.#packs[pack] as string, 0]))
    for (const [index, { pack, storedLength, rawLength }] of frames.entries()) {
      const id = this.#packs[pack] as string
      const part = (pagesIn.get(framesUsed[index] as number) as number) * pageSize / rawLength
      liveBytes.set(id, (liveBytes.get(id) as number) + storedLength * part)
    }
    const newFrame = new Map(framesUsed.map((frame, index) => [frame, index]))
    const newPack = new Map(packsUsed.map((pack, index) => [pack, index]))
    return {
      map: {
        packs: packsUsed.map(pack => this.#packs[pack] as string),
        frames: frames.map(frame => ({ ...frame, pack: newPack.get(frame.pack) as number })),
        runs: PageRuns.of(renumbered(runs, newFrame))
      },
      liveBytes
    }
  }

  #place (page: number, frame: number, framePage: number): void {
    this.#frameOf[page - 1] = frame + 1
    this.#framePageOf[page - 1] = framePage
  }

  #runs (): PageRuns {
    const runs = PageRuns.of([])
    const [frameOf, framePageOf] = [this.#frameOf, this.#framePageOf]
    for (let first = 0, next = 0; first < frameOf.length; first = next) {
      const [frame, framePage] = [frameOf[first] as number, framePageOf[first] as number]
      for (next = first + 1; next < frameOf.length && frameOf[next] === frame && framePageOf[next] === framePage + next - first;) next++
      runs.push({ imagePage: first + 1, count: next - first, frame: frame - 1, framePage })
    }
    return runs
  }
}

function * renumbered (runs: PageRuns, newFrame: ReadonlyMap<number, number>): Generator<{ imagePage: number, count: number, frame: number, framePage: number }> {
  for (const run of runs) yield { ...run, frame: newFrame.get(run.frame) as number }
}
