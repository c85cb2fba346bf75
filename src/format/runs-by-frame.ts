import type { PageMap, PageRun, PageRuns } from './page-map.ts'

/** Which runs take pages from which frame, in a compact form: a scattered image may have millions. */
export class RunsByFrame {
  readonly #runs: PageRuns
  /** Positions of the runs, those of one frame together and in the order of the image. */
  readonly #order: Uint32Array
  /** Where the runs of each frame begin in the order, and where the last ones end. */
  readonly #starts: Uint32Array

  constructor ({ frames, runs }: Pick<PageMap, 'frames' | 'runs'>) {
    this.#runs = runs
    this.#starts = new Uint32Array(frames.length + 1)
    this.#order = new Uint32Array(runs.length)
    for (const { frame } of runs) (this.#starts[frame + 1] as number)++
    for (let frame = 0; frame < frames.length; frame++) (this.#starts[frame + 1] as number) += this.#starts[frame] as number
    const next = this.#starts.slice()
    let position = 0
    for (const { frame } of runs) {
      const at = next[frame] as number
      this.#order[at] = position++
      next[frame] = at + 1
    }
  }

  /** False for a frame without a page of the image. */
  isUsed (frame: number): boolean {
    return this.#starts[frame] !== this.#starts[frame + 1]
  }

  /** The runs of one frame, in the order of the image. */
  * of (frame: number): Generator<PageRun> {
    for (let at = this.#starts[frame] as number; at < (this.#starts[frame + 1] as number); at++) yield this.#runs.at(this.#order[at] as number)
  }

  /** Whether the frames, one after the other, give the pages in the order of the image. */
  get isInImageOrder (): boolean {
    return this.#order.every((position, index) => position === index)
  }
}
