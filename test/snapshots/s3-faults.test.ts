import t from 'tap'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import type { Trouble } from '../helpers/s3-deployment.ts'
import { creationFaults } from './s3-faults/creations.ts'

const troubles: Trouble[] = [{ fault: 'lose-answer' }, { fault: 'corrupt-answer' }, { fault: 'reset', stays: true }, { fault: 'lose-answer', stays: true }]

const emulator = await startS3Emulator(t)
creationFaults(t, async () => emulator, troubles)
