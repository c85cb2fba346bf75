import '../../helpers/use-built.ts'
import t from 'tap'
import { startS3Emulator } from '../../helpers/s3-emulator.ts'
import { copyFaults } from './check-copies.ts'
import { someTroubles } from './troubles.ts'

const emulator = await startS3Emulator(t)
copyFaults(t, async () => emulator, someTroubles)
