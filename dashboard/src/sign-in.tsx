/** The sign-in form: the place that was asked for waits in this tab until the session is there. */
import { keepPlace } from './route.ts'

keepPlace()
