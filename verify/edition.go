package verify

// Edition is raised whenever the judge's own code changes what a case does or how it is judged: a proof of
// another edition is not reused. What the cases expect is compared by itself.
const Edition = 5
