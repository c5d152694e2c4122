/**
 * The secret as a parameter of the query. It shows in the upstream's access logs: only for upstreams that take it no
 * other way.
 */
import { failure } from '../../std/std.ts'
import { textFault } from './form.ts'
import { parameterNames, withParameters, type Signer } from './signer.ts'

export const query = (parameter: string): Signer => ({
  needsBody: false,
  form: 'one word of visible ASCII characters, up to 8192',
  fault: (secret) => textFault(secret),
  own: { parameters: [parameter] },
  sign: (request, secret) => {
    if (parameterNames(request.query).includes(parameter))
      throw failure('invalid', `the gate adds the parameter ${parameter} itself: leave it out`)
    return { query: withParameters(request.query, [[parameter, secret]]), headers: [], secrets: [secret] }
  },
})
