"""w2v-BERT for music: a conformer over log-mel frames, trained by contrast and by masked prediction."""
