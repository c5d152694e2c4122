/** A release that does not start. */
throw new Error('this release is broken')
