import { MAXIMUM_FRAME_BYTES, CODECS } from './frame.ts'
import { FRAME_ENTRY_BYTES, readFrameEntry, writeFrameEntry, type PackedFrame } from './pack-index.ts'

/** A frame together with the pack that holds it. */
export interface MappedFrame extends PackedFrame {
  /** Position in {@link PageMap.packs}. */
  pack: number
}

/** `count` neighbouring pages of the image, taken from one frame. */
export interface PageRun {
  /** The first page of the image, from 1. */
  imagePage: number
  count: number
  /** Position in {@link PageMap.frames}. */
  frame: number
  /** The first page within the decompressed frame, from 0. */
  framePage: number
}

/** Where every page of a database image stands: each page in exactly one run, runs in the order of the image. */
export interface PageMap {
  packs: string[]
  frames: MappedFrame[]
  runs: PageRuns
}

/** The fields of a run, in the order of their declaration. */
const RUN_FIELDS = 4

/** Runs in a compact form: a scattered image may have millions. */
export class PageRuns implements Iterable<PageRun> {
  #fields: Uint32Array
  #used: number

  private constructor (fields: Uint32Array) {
    this.#fields = fields
    this.#used = fields.length
  }

  static of (runs: Iterable<PageRun>): PageRuns {
    const compact = new PageRuns(new Uint32Array(0))
    for (const run of runs) compact.push(run)
    return compact
  }

  /** Reads some runs as they are stored. */
  static decode (bytes: Buffer): PageRuns {
    const fields = new Uint32Array(bytes.length / 4)
    for (let index = 0; index < fields.length; index++) fields[index] = bytes.readUInt32LE(index * 4)
    return new PageRuns(fields)
  }

  get length (): number { return this.#used / RUN_FIELDS }

  push ({ imagePage, count, frame, framePage }: PageRun): void {
    if (this.#used === this.#fields.length) {
      const larger = new Uint32Array(Math.max(1024, this.#used * 2))
      larger.set(this.#fields)
      this.#fields = larger
    }
    this.#fields.set([imagePage, count, frame, framePage], this.#used)
    this.#used += RUN_FIELDS
  }

  encode (): Buffer {
    const bytes = Buffer.alloc(this.#used * 4)
    for (let index = 0; index < this.#used; index++) bytes.writeUInt32LE(this.#fields[index] as number, index * 4)
    return bytes
  }

  /** @param position from 0, one that there is */
  at (position: number): PageRun {
    const at = position * RUN_FIELDS
    const [imagePage, count, frame, framePage] = [this.#fields[at], this.#fields[at + 1], this.#fields[at + 2], this.#fields[at + 3]] as [number, number, number, number]
    return { imagePage, count, frame, framePage }
  }

  * [Symbol.iterator] (): Generator<PageRun> {
    for (let position = 0; position < this.length; position++) yield this.at(position)
  }
}

const MAGIC = 0x4D505346 // "FSPM"
const VERSION = 1
const HEADER_BYTES = 20
const PACK_BYTES = 36
const FRAME_BYTES = 8 + FRAME_ENTRY_BYTES
const RUN_BYTES = RUN_FIELDS * 4

/** The map's binary form, not yet compressed. Pack ids are UUIDs. */
export function encodePageMap ({ packs, frames, runs }: PageMap): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + packs.length * PACK_BYTES + frames.length * FRAME_BYTES + runs.length * RUN_BYTES)
  const header = [MAGIC, VERSION, packs.length, frames.length, runs.length]
  header.forEach((value, index) => { bytes.writeUInt32LE(value, index * 4) })
  let at = HEADER_BYTES
  for (const pack of packs) at += bytes.write(pack, at, PACK_BYTES, 'latin1')
  for (const frame of frames) {
    bytes.writeUInt32LE(frame.pack, at)
    bytes.writeUInt32LE(frame.number, at + 4)
    writeFrameEntry(bytes, at + 8, frame)
    at += FRAME_BYTES
  }
  runs.encode().copy(bytes, at)
  return bytes
}

/**
 * Reads and checks a map: after this, following it cannot leave the image, a frame or a sane amount of memory.
 * @throws Error that says what is wrong with the map.
 */
export function decodePageMap (bytes: Buffer, image: { pageSize: number, pageCount: number }): PageMap {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) throw new Error('the page map is not one')
  if (bytes.readUInt32LE(4) !== VERSION) throw new Error(`the page map has version ${bytes.readUInt32LE(4)}; update fastify-sqlite-snapshots`)
  const [packCount, frameCount, runCount] = [bytes.readUInt32LE(8), bytes.readUInt32LE(12), bytes.readUInt32LE(16)]
  if (bytes.length !== HEADER_BYTES + packCount * PACK_BYTES + frameCount * FRAME_BYTES + runCount * RUN_BYTES) throw new Error('the page map has a wrong length')

  const framesAt = HEADER_BYTES + packCount * PACK_BYTES
  const runsAt = framesAt + frameCount * FRAME_BYTES
  const map: PageMap = {
    packs: Array.from({ length: packCount }, (_, index) => bytes.toString('latin1', HEADER_BYTES + index * PACK_BYTES, HEADER_BYTES + (index + 1) * PACK_BYTES)),
    frames: Array.from({ length: frameCount }, (_, index) => {
      const at = framesAt + index * FRAME_BYTES
      return { pack: bytes.readUInt32LE(at), ...readFrameEntry(bytes, at + 8, bytes.readUInt32LE(at + 4)) }
    }),
    runs: PageRuns.decode(bytes.subarray(runsAt))
  }
  checkFrames(map)
  checkRuns(map, image)
  return map
}

function checkFrames ({ packs, frames }: PageMap): void {
  for (const { pack, codec, rawLength, storedLength } of frames) {
    if (pack >= packs.length) throw new Error('the page map names a pack that it does not list')
    if (!CODECS.has(codec)) throw new Error(`the page map uses codec ${codec}; update fastify-sqlite-snapshots`)
    if (rawLength > MAXIMUM_FRAME_BYTES || storedLength > 2 * MAXIMUM_FRAME_BYTES) throw new Error('the page map has a frame of an impossible size')
  }
}

function checkRuns ({ frames, runs }: PageMap, { pageSize, pageCount }: { pageSize: number, pageCount: number }): void {
  let nextPage = 1
  for (const run of runs) {
    const frame = frames[run.frame]
    if (run.imagePage !== nextPage || run.count === 0) throw new Error(`the page map does not hold page ${nextPage} exactly once`)
    if (frame === undefined || (run.framePage + run.count) * pageSize > frame.rawLength) throw new Error(`the page map points outside a frame for page ${nextPage}`)
    nextPage += run.count
  }
  if (nextPage !== pageCount + 1) throw new Error(`the page map holds ${nextPage - 1} pages instead of ${pageCount}`)
}
