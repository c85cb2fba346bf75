import type { Trouble } from '../../helpers/s3-deployment.ts'

export const allTroubles: Trouble[] = [
  { fault: 'reset' },
  { fault: 'lose-answer' },
  { fault: 'hang' },
  { fault: 'cut' },
  { fault: 'stall' },
  { fault: 'corrupt-answer' },
  { fault: 'corrupt-request' },
  { fault: 'slow-down' },
  { fault: { status: 404 } },
  { fault: { delay: 600 } },
  { fault: 'reset', stays: true },
  { fault: 'lose-answer', stays: true }
]

/** For the emulator, which does not check what it is sent. */
export const someTroubles: Trouble[] = [{ fault: 'lose-answer' }, { fault: 'corrupt-answer' }, { fault: 'reset', stays: true }]
