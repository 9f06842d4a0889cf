"""Yours: the routers of your features, in the order in which they are included.

For example: `from src.articles.router import router as articles`, then `routers: list[APIRouter] = [articles]`.
"""

from fastapi import APIRouter

routers: list[APIRouter] = []
