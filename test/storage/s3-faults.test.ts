import t from 'tap'
import { startS3Emulator } from '../helpers/s3-emulator.ts'
import { s3Faults } from './s3-fault-conformance.ts'

const emulator = await startS3Emulator(t)
s3Faults(t, async () => emulator)
