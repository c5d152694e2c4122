/** A program that never says a word: stands in where a test speaks for the cell itself. */
setInterval(() => {}, 1_000_000)
