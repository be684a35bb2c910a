"""What surveys found about cultures, to look at: in the terminal, as a picture, as a page.

subjects.py   which cultures are asked for, with their profiles
palette.py    colours and marks, one of each for a region
commands.py   what ``concordat culture`` does
terminal.py   tables with bars
picture.py    PNG files, with matplotlib; labels.py places names so that none hides another
figures.py    plotly figures
page.py       figures and tables as one HTML page; templates/ holds its markup
"""
