"""Whether instruction data says what its pictures show, and how: reason codes with the words that they rest on."""
