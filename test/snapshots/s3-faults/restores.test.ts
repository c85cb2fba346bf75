import '../../helpers/use-built.ts'
import t from 'tap'
import { startS3Emulator } from '../../helpers/s3-emulator.ts'
import { restoreFaults } from './check-restores.ts'
import { someTroubles } from './troubles.ts'

const emulator = await startS3Emulator(t)
restoreFaults(t, async () => emulator, someTroubles)
