"""Tests of local time: tables of rules, their sources, and the adoption of newer ones."""
