import '../../helpers/use-built.ts'
import t from 'tap'
import { startS3Emulator } from '../../helpers/s3-emulator.ts'
import { rebuildFaults } from './check-rebuilds.ts'
import { someTroubles } from './troubles.ts'

const emulator = await startS3Emulator(t)
rebuildFaults(t, async () => emulator, someTroubles)
