import type { PackRange } from '../messages.ts'

/** Where stored bytes come from. */
export interface PackSource {
  /**
   * Several ranges may be asked for before the first has come.
   * @throws Error where there are fewer bytes
   */
  read: (range: PackRange) => Promise<Buffer>
  /** Takes bytes back that were read and that nobody needs any more. */
  takeBack: (bytes: Buffer) => void
  /** Says what will be asked for, in this order, neighbours possibly one by one. */
  expect: (ranges: PackRange[]) => Promise<void>
  close: () => Promise<void>
}
