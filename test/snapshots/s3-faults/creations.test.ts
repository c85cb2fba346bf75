import '../../helpers/use-built.ts'
import t from 'tap'
import { startS3Emulator } from '../../helpers/s3-emulator.ts'
import { creationFaults } from './check-creations.ts'
import { someTroubles } from './troubles.ts'

const emulator = await startS3Emulator(t)
creationFaults(t, async () => emulator, someTroubles)
