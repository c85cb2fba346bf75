import type { Place } from './place.ts'

/** What the parts of a benchmark work with. The databases are made when first asked for, which is why they are functions. */
export interface Bench {
  rounds: number
  /** For whatever a part makes besides; removed at the end. */
  folder: string
  /** 1,100 MiB, or BENCH_MB. */
  large: () => Place
  /** 100 MB. */
  small: () => Place
  /** Path of Litestream's program, or null. */
  litestream: string | null
  has: (command: string) => boolean
}
