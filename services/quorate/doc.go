package quorate
