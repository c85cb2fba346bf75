import type { Trouble } from '../../helpers/s3-deployment.ts'

export const brokenRequests: Trouble[] = [
  { fault: 'reset' },
  { fault: 'cut' },
  { fault: 'corrupt-request' },
  { fault: 'slow-down' },
  { fault: { status: 404 } },
  { fault: 'reset', stays: true }
]

export const brokenAnswers: Trouble[] = [
  { fault: 'lose-answer' },
  { fault: 'hang' },
  { fault: 'stall' },
  { fault: 'corrupt-answer' },
  { fault: { delay: 600 } },
  { fault: 'lose-answer', stays: true }
]

export const allTroubles = [...brokenRequests, ...brokenAnswers]

/** For the emulator, which does not check what it is sent. */
export const someTroubles: Trouble[] = [{ fault: 'lose-answer' }, { fault: 'corrupt-answer' }, { fault: 'reset', stays: true }]
