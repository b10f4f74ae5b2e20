"""MuLan (Huang et al. 2022, arXiv 2208.12415): music and text in one space, with two towers trained by contrast."""
